#!/usr/bin/env bash
# Installs what the tests of the cache need beside redis-server, from the package registry only. Safe
# to run again: what is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")"

environment=.venv-cache wanted=requirements-cache.txt
if cmp -s "$wanted" "$environment/installed.txt"; then
  echo "setup: tests/run/$environment is there"
else
  echo "setup: PostgreSQL with pgvector and what the tests import into tests/run/$environment"
  python3 -m venv --clear "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted"
  cp "$wanted" "$environment/installed.txt"
fi
# As `make embedding-model` and the image have it.
"$environment/bin/python" ../../local-embedding/fetch_model.py "$environment/all-MiniLM-L6-v2"
