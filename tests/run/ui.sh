#!/usr/bin/env bash
# The dashboard in headless Chromium, in front of a gateway and the mock provider, which the tests
# start and end themselves. TOLLBRIDGE_BIN and MOCK_PROVIDER_BIN name the programs; arguments are
# test files, all when none is given.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

fail() {
  printf 'ui: %s\n' "$*" >&2
  exit 1
}

for variable in TOLLBRIDGE_BIN MOCK_PROVIDER_BIN; do
  program=${!variable:-}
  [ -x "$program" ] || fail "$variable does not name a program"
  export "$variable=$(cd "$(dirname "$program")" && pwd)/$(basename "$program")"
done
[ -x "${CHROMIUM_BIN:-/usr/bin/chromium}" ] || fail 'chromium is not installed (Debian: apt-get install chromium)'

cd "$here/../ui"
if ! cmp -s package-lock.json node_modules/installed.json; then
  npm ci --ignore-scripts --no-audit --no-fund --no-progress --loglevel=error
  cp package-lock.json node_modules/installed.json
fi

[ $# -gt 0 ] || set -- *.test.js
exec node --test --test-concurrency=2 --test-reporter=tap "$@"
