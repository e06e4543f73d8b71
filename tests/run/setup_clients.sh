#!/usr/bin/env bash
# Installs what the client suites need, from the package registries only. Safe to run again:
# what is there already is left alone. Names: python node go (all when none is given).
set -euo pipefail
cd "$(dirname "$0")/../clients"

say() { printf 'setup: %s\n' "$*"; }

python_environment() {
  local name=$1 environment="python/.venv-$1" wanted="python/requirements-$1.txt"
  if ! cmp -s "$wanted" "$environment/installed.txt"; then
    say "python: $(grep '^openai==' "$wanted") into tests/clients/$environment"
    python3 -m venv --clear "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$environment/installed.txt"
  else
    say "python: $(grep '^openai==' "$wanted") is there"
  fi
}

node_packages() {
  local name=$1
  if ! cmp -s "node/$name/package-lock.json" "node/$name/node_modules/installed.json"; then
    say "node: npm ci in tests/clients/node/$name"
    npm --prefix "node/$name" ci --no-progress --loglevel=error
    cp "node/$name/package-lock.json" "node/$name/node_modules/installed.json"
  else
    say "node: tests/clients/node/$name is there"
  fi
}

go_modules() {
  if command -v go >/dev/null; then
    say "go: go mod download in tests/clients/go"
    (cd go && go mod download)
  else
    say "go: not installed, skipped"
  fi
}

for what in "${@:-python node go}"; do
  for part in $what; do
    case $part in
      python) python_environment new; python_environment previous ;;
      node) node_packages openai6; node_packages openai7 ;;
      go) go_modules ;;
      *) say "unknown: $part"; exit 2 ;;
    esac
  done
done
