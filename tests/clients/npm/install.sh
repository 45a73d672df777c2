#!/usr/bin/env bash
# Installs the packages that package-lock.json names into node_modules. No package's install script is run and nothing
# is compiled; a second call with the same lock takes no time.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
stamp=node_modules/.installed-lock.json
cmp -s package-lock.json "$stamp" && exit
npm ci --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error
cp package-lock.json "$stamp"
