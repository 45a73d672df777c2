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
export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1}
exec ctest --test-dir "$root/build/test" --output-on-failure --no-tests=error "$@"
