#!/usr/bin/env bash
# Part of quickstart.sh (--outage), which has started Redis and weir: kills Redis under a client's steady traffic, starts it
# again, and shows what the client sees. Says `outage: ok` when all is as promised, and fails when it is not.
# shellcheck disable=SC2154  # quickstart.sh sets acme, admin, scratch, redis_port and the pids
# shellcheck disable=SC2317  # wait_until calls by name

client_pid=""
watch_pid=""

milliseconds() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# say TEXT: a line with the time since the play began.
say() { printf '%7d ms  %s\n' $(($(milliseconds) - began)) "$*"; }
heading() { printf '\n== %s\n' "$*"; }

# ask COMMAND...: what redis-cli shows a person.
ask() { timeout 10 redis-cli --no-raw -h 127.0.0.1 -p "${acme##*:}" "$@" 2>&1; }

# show COMMAND...: asked and answered in one line. The answer stays in $answer.
show() {
    answer=$(ask "$@")
    say "acme> $*   ->   $(paste -sd ' ' <<<"$answer" | tr -s ' ')"
}

# What WEIR STATUS says, as `name value, name value`.
show_status() {
    answer=$(ask -3 WEIR STATUS | sed -E 's/^ *[0-9]+# "([a-z_]+)" => (\(integer\) )?/\1 /; s/"//g' | paste -sd ',' | sed 's/,/, /g')
    say "acme> WEIR STATUS   ->   $answer"
}

# promise WHAT PATTERN: the last answer is like it.
promise() { grep -Eq -- "$2" <<<"$answer" || fail "outage: $1: got '$answer', expected something like '$2'" "$scratch/weir.log"; }

breaker_state() {
    curl --noproxy '*' -fsS --max-time 5 "http://$admin/breaker" 2>/dev/null | sed -nE 's/.*"state" *: *"([a-z_]+)".*/\1/p'
}
breaker_is() { [[ $(breaker_state) == "$1" ]]; }

# The breaker's states as they change, for people to see; a log of them for the end.
watch_breaker() {
    local before="" now
    while true; do
        now=$(breaker_state) || true
        if [[ -n $now && $now != "$before" ]]; then
            [[ -z $before ]] || say "breaker: $before -> $now"
            echo "$now" >>"$scratch/states"
            before=$now
        fi
        sleep 0.05
    done
}

# A client like any: one redis-cli that stays connected, writes an order, reads it again and reads its session, over and
# over. For each command a line: its number, how long it took in ms, the command, the reply.
run_client() {
    local number=0 command reply started
    coproc CLI { exec redis-cli --no-raw -h 127.0.0.1 -p "${acme##*:}" 2>"$scratch/client.errors"; }
    # Ends with the pipe, so nothing is left when this process is ended.
    while true; do
        number=$((number + 1))
        for command in "SET order:$number paid" "GET order:$number" "GET session:42"; do
            started=$(milliseconds)
            printf '%s\n' "$command" >&"${CLI[1]}"
            IFS= read -r -t 20 reply <&"${CLI[0]}" || reply="(error) nothing came"
            printf '%d\t%d\t%s\t%s\n' "$number" $(($(milliseconds) - started)) "$command" "$reply" >>"$scratch/client.log"
        done
        sleep 0.01
    done
}

client_lines() { wc -l <"$scratch/client.log"; }
client_has_gone_on() { (($(client_lines) >= $1)); }

# let_client_go_on COMMANDS
let_client_go_on() {
    wait_until 60 "$client_pid" client_has_gone_on $(($(client_lines) + $1)) || fail "outage: the client stands still" "$scratch/client.log"
}

# What the client saw since the last call, in $seen (commands) and $errors.
told=0
tell_of_client() {
    local lines slowest
    lines=$(tail -n "+$((told + 1))" "$scratch/client.log")
    told=$(client_lines)
    seen=$(grep -c . <<<"$lines") || true
    errors=$(cut -f 4 <<<"$lines" | grep -c '^(error)') || true
    slowest=$(cut -f 2 <<<"$lines" | sort -n | tail -n 1)
    say "the client: $seen commands, $errors errors, the slowest took $slowest ms"
    cut -f 4 <<<"$lines" | grep '^(error)' | sort | uniq -c | sed -E 's/^ +([0-9]+) /              \1 x /' || true
}

# Each order that was confirmed is there, with Redis asked directly.
orders_in_redis() {
    cut -f 3,4 "$scratch/client.log" | sed -nE 's/^SET (order:[0-9]+) paid\tOK$/EXISTS tenant:acme:\1/p' |
        redis-cli --raw -h 127.0.0.1 -p "$redis_port" | grep -c '^1$'
}

# How many reads of an order that was confirmed gave something else, also while Redis was away.
wrong_reads() {
    awk -F '\t' '$3 ~ /^SET/ { confirmed = $4 == "OK" }
                 $3 ~ /^GET order/ && confirmed && $4 != "\"paid\"" && $4 !~ /^\(error\)/ { wrong++ }
                 END { print wrong + 0 }' "$scratch/client.log"
}

stop_players() {
    local pid
    for pid in "$client_pid" "$watch_pid"; do
        [[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null || true
        [[ -z $pid ]] || wait "$pid" 2>/dev/null || true
    done
}

play_outage() {
    began=$(milliseconds)
    : >"$scratch/client.log"
    local orders confirmed

    heading "Redis is there"
    wait_until 15 "$weir_pid" breaker_is closed || fail "outage: the breaker is not closed at the start" "$scratch/weir.log"
    show SET session:42 "three books"
    promise "a write" '^OK$'
    show SET stock:book 7
    show XADD events '*' what started
    run_client &
    client_pid=$!
    watch_breaker &
    watch_pid=$!
    let_client_go_on 100
    show_status
    promise "the status while Redis is there" '^status healthy, .*breaker closed, store redis, fallback_answers 0, '
    tell_of_client
    ((errors == 0)) || fail "outage: errors while Redis was there" "$scratch/weir.log"

    heading "Redis is killed (kill -KILL $redis_pid)"
    kill -KILL "$redis_pid"
    wait "$redis_pid" 2>/dev/null || true
    wait_until 30 "$weir_pid" breaker_is open || fail "outage: the breaker did not open" "$scratch/weir.log"
    let_client_go_on 3
    tell_of_client
    ((errors <= 3)) || fail "outage: more errors than a client that waits for its replies can meet" "$scratch/client.log"

    heading "weir answers from memory"
    let_client_go_on 150
    show GET session:42
    promise "what was written before" '^"three books"$'
    show HSET cart:42 book 3 pen 1
    promise "a write without Redis" '^\(integer\) 2$'
    show HGETALL cart:42
    show GET stock:book
    promise "what was written before" '^"7"$'
    show DECR stock:book
    promise "what the tenant's rules keep from being written" 'FALLBACK .*rules'
    show XADD events '*' what lost
    promise "what no store can do" 'FALLBACK breaker '
    show_status
    promise "the status while Redis is away" '^status degraded, .*breaker open, store memory, .*journal [1-9]'
    tell_of_client
    ((errors == 0)) || fail "outage: errors in place of answers from memory" "$scratch/weir.log"

    heading "Redis is started again"
    launch_redis "$redis_port" || fail "Redis did not start again" "$scratch/redis.log"
    say "Redis is ready"
    wait_until 30 "$weir_pid" breaker_is closed || fail "outage: the breaker did not close" "$scratch/weir.log"
    let_client_go_on 100
    show_status
    promise "the status when Redis is back" '^status healthy, .*breaker closed, store redis, .*journal 0, .*replaying 0$'
    show XADD events '*' what back
    promise "what only Redis can do" '^"[0-9]+-[0-9]+"$'
    answer=$(redis-cli --no-raw -h 127.0.0.1 -p "$redis_port" HGET tenant:acme:cart:42 book)
    say "redis> HGET tenant:acme:cart:42 book   ->   $answer"
    promise "what was written without Redis" '^"3"$'
    tell_of_client
    ((errors == 0)) || fail "outage: errors when Redis was back" "$scratch/weir.log"
    stop_players

    confirmed=$(grep -Ec $'\tSET order:[0-9]+ paid\tOK$' "$scratch/client.log")
    orders=$(orders_in_redis)
    heading "What became of it"
    say "the breaker was $(paste -sd ' ' "$scratch/states" | sed 's/ / -> /g')"
    say "$confirmed orders were confirmed to the client, and Redis has $orders of them"
    ((orders == confirmed)) || fail "outage: confirmed writes are missing in Redis" "$scratch/weir.log"
    (($(wrong_reads) == 0)) || fail "outage: reads differ from what was written before them" "$scratch/client.log"
    [[ ! -s $scratch/client.errors ]] || fail "outage: the client lost its connection to weir" "$scratch/client.errors"
    alive "$weir_pid" || fail "outage: weir ended" "$scratch/weir.log"
    kill -TERM "$weir_pid"
    wait_until 15 "$weir_pid" ended "$weir_pid" || ended "$weir_pid" || fail "outage: weir did not end" "$scratch/weir.log"
    wait "$weir_pid" || fail "outage: weir ended with an error" "$scratch/weir.log"
    echo "outage: ok"
}
