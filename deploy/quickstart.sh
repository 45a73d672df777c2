#!/usr/bin/env bash
# Builds weir and runs it in front of a Redis of its own, for two tenants, until Ctrl-C. With --smoke it checks that
# they are served and kept apart, prints `smoke: ok` and ends. With --outage it plays an outage of Redis: what a client sees
# while Redis is killed and started again; prints `outage: ok` and ends.
# Everything lives in a temporary folder and listens on 127.0.0.1; nothing is left behind.
# WEIR_BINARY: a weir that is built already, instead of building one.
# shellcheck disable=SC2317  # some functions are called by name: by traps and by wait_until
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Either would change what our own programs talk to.
unset REDISCLI_AUTH WEIR_REDIS_URL WEIR_ACME_BIND WEIR_GLOBEX_BIND WEIR_ADMIN_BIND

smoke=false
outage=false
config=quickstart.yaml
case ${1-} in
    "") ;;
    --smoke) smoke=true ;;
    --outage)
        outage=true
        config=outage.yaml
        ;;
    *)
        echo "usage: ${0##*/} [--smoke|--outage]" >&2
        exit 2
        ;;
esac

scratch=""
redis_pid=""
weir_pid=""

alive() { [[ -n $1 ]] && kill -0 "$1" 2>/dev/null; }

# wait_until SECONDS PID CONDITION...: true as soon as the condition is, false when time is up or the process ended.
wait_until() {
    local deadline=$((SECONDS + $1)) pid=$2
    shift 2
    until "$@"; do
        alive "$pid" && ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

ended() { ! alive "$1"; }

stop() {
    alive "$1" || return 0
    kill -TERM "$1"
    wait_until 15 "$1" ended "$1" || kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

# shellcheck source=deploy/outage.sh
source "$root/deploy/outage.sh"

# weir before Redis: it drains, and a Redis gone before it would only make it complain.
clean_up() {
    trap '' INT TERM HUP
    stop_players
    stop "$weir_pid"
    stop "$redis_pid"
    [[ -z $scratch ]] || rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# fail MESSAGE [LOG]
fail() {
    echo "quickstart: $1" >&2
    if [[ -s ${2-} ]]; then
        echo "the end of ${2##*/}:" >&2
        tail -n 20 "$2" >&2
    fi
    exit 1
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

redis_ready() { grep -q 'Ready to accept connections' "$scratch/redis.log" 2>/dev/null; }

# launch_redis PORT: false when it does not become ready.
# setsid: Ctrl-C must reach this script alone, which then stops what it started in order. In an outage Redis has to know
# afterwards what it confirmed, so then it keeps a file of it.
launch_redis() {
    : >"$scratch/redis.log"
    setsid redis-server --port "$1" --bind 127.0.0.1 --save "" --appendonly "$($outage && echo yes || echo no)" \
        --daemonize no --dir "$scratch" --logfile "$scratch/redis.log" </dev/null >/dev/null 2>&1 &
    redis_pid=$!
    wait_until 15 "$redis_pid" redis_ready
}

# Redis cannot be told to take any free port, so ports are tried, below the range that the kernel hands out itself.
start_redis() {
    local attempt
    for attempt in {1..20}; do
        redis_port=$((20000 + RANDOM % 10000))
        if taken "$redis_port"; then continue; fi
        if launch_redis "$redis_port"; then return; fi
        stop "$redis_pid"
    done
    fail "Redis did not start (tried $attempt ports)" "$scratch/redis.log"
}

# The usual port when it is free, or else any. The check runs share the machine with others: they take any at once.
bind_address() {
    if $smoke || $outage || taken "$1"; then echo 127.0.0.1:0; else echo "127.0.0.1:$1"; fi
}

weir_ready() { grep -Eq '^[^ ]+ +info +ready( |$)' "$scratch/weir.log"; }

start_weir() {
    : >"$scratch/weir.log"
    WEIR_REDIS_URL=redis://127.0.0.1:$redis_port \
        WEIR_ACME_BIND=$(bind_address 6380) \
        WEIR_GLOBEX_BIND=$(bind_address 6381) \
        WEIR_ADMIN_BIND=$(bind_address 9121) \
        setsid "$weir" "$root/config/$config" </dev/null >"$scratch/weir.log" 2>&1 &
    weir_pid=$!
    wait_until 15 "$weir_pid" weir_ready || fail "weir did not become ready" "$scratch/weir.log"
    acme=$(logged_address 'listening' ' tenant=acme')
    $outage || globex=$(logged_address 'listening' ' tenant=globex')
    admin=$(logged_address 'admin listening' '')
}

# logged_address MESSAGE SUFFIX: where weir says it listens; with port 0 only its log knows.
logged_address() {
    local address
    address=$(sed -nE "s/^[^ ]+ +info +$1 address=([^ ]+)$2.*/\1/p" "$scratch/weir.log" | head -n 1)
    [[ -n $address ]] || fail "weir's log names no address for '$1$2'" "$scratch/weir.log"
    echo "$address"
}

tell() {
    local name address usual
    for name in acme:$acme:6380 globex:$globex:6381 "the admin listener:$admin:9121"; do
        address=${name#*:}
        usual=${address##*:}
        address=${address%:*}
        [[ $address == *:$usual ]] || $smoke || echo "port $usual is taken; ${name%%:*} has ${address##*:} instead"
    done
    cat <<TEXT

weir runs in front of Redis on 127.0.0.1:$redis_port, for two tenants who cannot see each other:
  acme      redis-cli -p ${acme##*:}
  globex    redis-cli -p ${globex##*:}
Redis itself, where every key carries its tenant's prefix:
            redis-cli -p $redis_port --scan
Health and metrics:
            curl http://$admin/health
            curl http://$admin/metrics
weir's log: $scratch/weir.log
TEXT
}

# cli ADDRESS COMMAND...: what redis-cli prints, sorted, on one line.
cli() {
    local port=${1##*:}
    shift
    timeout 10 redis-cli -h 127.0.0.1 -p "$port" "$@" 2>&1 | LC_ALL=C sort | paste -sd ' '
}

# expect WHAT EXPECTED ADDRESS COMMAND...
expect() {
    local what=$1 expected=$2 got
    shift 2
    got=$(cli "$@")
    [[ $got == "$expected" ]] || fail "smoke: $what: expected '$expected', got '$got'" "$scratch/weir.log"
}

# expect_page PATH PATTERN
expect_page() {
    local page
    page=$(curl --noproxy '*' -fsS --max-time 10 "http://$admin$1" 2>&1) ||
        fail "smoke: $1: $page" "$scratch/weir.log"
    grep -Eq "$2" <<<"$page" || fail "smoke: $1 does not look right: ${page:0:500}"
}

check_tenants() {
    expect "acme sets" OK "$acme" SET greeting "hello acme"
    expect "acme sets another key" OK "$acme" SET only-acme 1
    expect "globex does not see acme's key" "" "$globex" GET greeting
    expect "globex does not see it under its real name" "" "$globex" GET tenant:acme:greeting
    expect "globex sets the same name" OK "$globex" SET greeting "hello globex"
    expect "acme reads its own" "hello acme" "$acme" GET greeting
    expect "globex reads its own" "hello globex" "$globex" GET greeting
    expect "a RESP3 client reads the same" "hello acme" "$acme" -3 GET greeting
    expect "acme scans its own keys" "greeting only-acme" "$acme" --scan
    expect "globex scans its own keys" "greeting" "$globex" --scan
    expect "globex cannot delete acme's key" 0 "$globex" DEL only-acme
    expect "the keys in Redis carry the prefix" \
        "tenant:acme:greeting tenant:acme:only-acme tenant:globex:greeting" "$redis_port" --scan
}

check_admin() {
    expect_page /livez ''
    expect_page /readyz ''
    expect_page /health '^ *\{'
    expect_page /metrics '^weir_commands_total\{.*acme'
}

weir=${WEIR_BINARY-$root/build/release/weir}
if [[ ! -v WEIR_BINARY ]]; then
    "$root/deploy/packages.sh" build quickstart
    "$root/deploy/build.sh" release
fi
scratch=$(mktemp -d "${TMPDIR:-/tmp}/weir-quickstart.XXXXXX")
start_redis
start_weir
if $outage; then
    play_outage
    exit
fi
tell

if $smoke; then
    check_tenants
    check_admin
    alive "$weir_pid" || fail "smoke: weir ended" "$scratch/weir.log"
    echo "smoke: ok"
    exit
fi

echo "Ctrl-C stops everything."
trap 'echo; echo "stopping"; exit 0' INT TERM HUP
# `|| true`: one of the two ended by itself, with whatever exit code.
wait -n "$weir_pid" "$redis_pid" || true
if alive "$weir_pid"; then fail "Redis ended" "$scratch/redis.log"; fi
fail "weir ended" "$scratch/weir.log"
