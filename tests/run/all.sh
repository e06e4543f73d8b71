#!/usr/bin/env bash
# Runs every test of the project and ends with the runners' own summary lines. What cannot run is a
# line in the summary, and with CI=true a failure.
set -uo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-target}
summary=$(mktemp)
output=$(mktemp)
trap 'rm -f "$summary" "$output"' EXIT
failed=0

say() { printf '\n=== %s\n' "$*"; }

# Runs a part, keeps its closing lines for the summary.
part() {
  local name=$1 pattern=$2
  shift 2
  say "$name"
  if "$@" 2>&1 | tee "$output"; then
    printf '%s: passed\n' "$name" >>"$summary"
  else
    printf '%s: FAILED\n' "$name" >>"$summary"
    failed=1
  fi
  grep -E "$pattern" "$output" >>"$summary" || true
}

skip() {
  printf '%s: skipped: %s\n' "$1" "$2" >>"$summary"
  [ "${CI:-}" = true ] && failed=1
}

install_debian() {
  local missing=()
  for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "installing ${missing[*]}"
  local sudo=
  [ "$(id -u)" -eq 0 ] || sudo=sudo
  $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

if [ -f web-ui/package.json ]; then
  part 'dashboard build' '^$' make ui
fi
# The cache is tested with real servers and a real model. What is missing is named again where it is
# missed, and is a failure there with CI=true.
if command -v apt-get >/dev/null; then
  install_debian redis-server openssl || skip 'redis' 'redis-server could not be installed'
fi
part 'cache setup' '^$' tests/run/setup_cache.sh
part 'rust' '^test result:|^with_stores:' tests/run/with_stores.py cargo test --locked --workspace
# Without these the tests of what reads JSON by vectors only see that it lets nothing pass.
if [ "$(uname -m)" = x86_64 ] && [ -r /proc/cpuinfo ]; then
  for feature in avx2 fma bmi1 bmi2 abm popcnt; do
    grep -qw "$feature" /proc/cpuinfo || skip 'rust: reading JSON by vectors' "this processor has no $feature"
  done
fi
part 'binaries' '^$' cargo build --locked --workspace --bins

export TOLLBRIDGE_BIN=$PWD/$target/debug/tollbridge MOCK_PROVIDER_BIN=$PWD/$target/debug/mock-provider
case $target in /*) TOLLBRIDGE_BIN=$target/debug/tollbridge MOCK_PROVIDER_BIN=$target/debug/mock-provider ;; esac

part 'client setup' '^$' tests/run/setup_clients.sh
part 'clients' '^[a-z0-9-]+: [0-9]+ passed' python3 tests/run/clients.py

if [ -f tests/ui/package.json ]; then
  # Without a font the browser draws boxes, and nothing would be measured right.
  if command -v apt-get >/dev/null && install_debian chromium fonts-dejavu-core; then
    part 'dashboard' '^# (tests|pass|fail)' tests/run/ui.sh
  else
    skip 'dashboard' 'chromium is not installed (Debian: apt-get install chromium)'
  fi
fi

say 'summary'
cat "$summary"
exit "$failed"
