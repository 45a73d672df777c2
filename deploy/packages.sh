#!/usr/bin/env bash
# Installs the Debian packages of the groups named, those that are missing and no others.
# Usage: packages.sh [--list] build|quickstart|tests|clients|benchmarks...
set -euo pipefail

declare -A groups=(
    [build]="g++ cmake ninja-build ccache pkg-config libboost1.81-dev libboost-json1.81-dev libyaml-cpp-dev
             libspdlog-dev prometheus-cpp-dev libhiredis-dev libcli11-dev libssl-dev libpq-dev"
    [quickstart]="redis-server redis-tools curl"
    [node]="nodejs npm"
    [tests]="redis-server redis-tools curl libgtest-dev libgmock-dev python3 python3-redis
             python3-hiredis postgresql"
    [clients]="redis-server python3 gcc libc6-dev libhiredis-dev python3-redis python3-hiredis python3-celery python3-rq
               python3-django-redis ruby ruby-redis ruby-sidekiq php-cli php-redis libredis-perl"
    [benchmarks]="redis-server redis-tools python3 nutcracker haproxy libbenchmark-dev"
)

usage() {
    echo "usage: ${0##*/} [--list] ${!groups[*]}" >&2
    exit 2
}

# Node comes from many places, and Debian's packages conflict with others': any node and npm there are will do.
satisfied() {
    [[ $1 == node ]] && command -v node >/dev/null && command -v npm >/dev/null
}

# Those of the packages named that dpkg does not know as installed. One dpkg-query for all of them: it is what makes
# a call with nothing to do take milliseconds.
missing() {
    comm -23 <(printf '%s\n' "$@" | sort -u) \
        <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort -u)
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "packages.sh: root or sudo is needed for: $*" >&2
        return 1
    fi
}

# Debian starts a service as soon as its package is unpacked: a Redis on port 6379, a haproxy. A policy-rc.d that
# says no prevents it, and is taken away again; one that is there already belongs to the machine and stays.
policy=/usr/sbin/policy-rc.d
forbid_services() {
    [[ -e $policy ]] && return
    trap 'as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

list_only=false
if [[ ${1-} == --list ]]; then
    list_only=true
    shift
fi
(($# > 0)) || usage
wanted=()
for group in "$@"; do
    [[ -v groups[$group] ]] || usage
    ! $list_only && satisfied "$group" && continue
    read -r -d '' -a packages <<<"${groups[$group]}" || true
    wanted+=("${packages[@]}")
done
if $list_only; then
    printf '%s\n' "${wanted[@]}" | sort -u
    exit
fi

((${#wanted[@]} > 0)) || exit 0
mapfile -t absent < <(missing "${wanted[@]}")
((${#absent[@]} > 0)) || exit 0
echo "installing ${absent[*]}"
forbid_services
as_root apt-get update -q
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${absent[@]}"
