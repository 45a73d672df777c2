#!/usr/bin/env bash
# Installs, builds and runs every test; ends with ctest's summary. Arguments go to ctest: tests/run.sh -R protocol
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/deploy/packages.sh" build tests clients node
"$root/tests/clients/npm/install.sh"
"$root/deploy/build.sh" test
# Tests that measure memory or time look at the program that is shipped: sanitizers change both.
"$root/deploy/build.sh" release
export WEIR_RELEASE_BINARY=$root/build/release/weir
# What decides whether a change lands says the same thing twice. A test that is started by hand draws its own seed; so does
# everything here after WEIR_SEED=random.
seed=${WEIR_SEED-1}
for test in ENGINE DIFF RACE PERMISSION LANE CHAOS; do
    name=WEIR_${test}_SEED
    [ "$seed" = random ] || export "$name=${!name-$seed}"
done
export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1}
exec ctest --test-dir "$root/build/test" --output-on-failure --no-tests=error "$@"
