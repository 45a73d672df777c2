#!/usr/bin/env bash
# Installs what a build needs and builds one preset of CMakePresets.json, `release` unless told otherwise.
# The program is then build/PRESET/weir. With nothing to do it takes about a second.
# Usage: build.sh [release|test|tsan]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
preset=${1:-release}
build=$root/build/$preset

# A job of the optimiser or of a sanitizer takes up to 1.5 GiB: small machines build with fewer jobs than cores.
jobs() {
    local cores memory_kib
    cores=$(nproc)
    memory_kib=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
    local fitting=$((memory_kib / (1536 * 1024)))
    echo $((fitting < 1 ? 1 : fitting < cores ? fitting : cores))
}

groups=(build)
[[ $preset == release ]] || groups+=(tests)
"$root/deploy/packages.sh" "${groups[@]}"

if command -v ccache >/dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}
fi
cd "$root"
# Ninja runs CMake again when a CMakeLists.txt changed, but knows nothing of the presets.
if [[ ! -e $build/build.ninja || CMakePresets.json -nt $build/build.ninja ]]; then
    echo "configuring build/$preset"
    cmake --preset "$preset"
fi
echo "building build/$preset"
cmake --build --preset "$preset" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(jobs)}"
