#!/usr/bin/env python3
"""Runs a command with what the tests of the cache need.

    tests/run/with_stores.py cargo test --test cache_stores

Starts PostgreSQL with pgvector and Redis, names them and the embedding model in
TOLLBRIDGE_TEST_POSTGRES_URL, TOLLBRIDGE_TEST_REDIS_ADDR and TOLLBRIDGE_TEST_MODEL, and ends them
with the command, of which it has the exit code. What is not installed is said and its variable not
set; with CI=true that is a failure.
"""

import os
import signal
import subprocess
import sys

from harness.stores import Missing, Postgres, Redis, model_folder


def main():
    # So that what was started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    env, servers, missing = dict(os.environ), [], []

    def provide(variable, make, value):
        if env.get(variable):
            return
        try:
            made = make()
        except Missing as problem:
            missing.append(str(problem))
            return
        if hasattr(made, "close"):
            servers.append(made)
        env[variable] = value(made)

    try:
        provide("TOLLBRIDGE_TEST_MODEL", model_folder, str)
        provide("TOLLBRIDGE_TEST_POSTGRES_URL", Postgres, lambda server: server.url)
        provide("TOLLBRIDGE_TEST_REDIS_ADDR", Redis, lambda server: server.addr)
        code = subprocess.run(sys.argv[1:], env=env, check=False).returncode
    finally:
        for server in servers:
            server.close()
    for problem in missing:
        print(f"with_stores: tests were left out: {problem}", flush=True)
    sys.exit(1 if missing and os.environ.get("CI") == "true" else code)


main()
