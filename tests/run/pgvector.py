"""Starts a PostgreSQL with pgvector for tests, from the package `pgserver` of this interpreter.

Prints `ready <url>` when it answers, and ends it and removes its data when the standard input
closes, so that it ends with whoever started it. PostgreSQL does not run as root: as root it runs as
`nobody`, from a copy that this account may read.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ACCOUNT = "nobody"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def binaries(home):
    """The folder of the programs, readable by the account that they run as."""
    package = Path(importlib.util.find_spec("pgserver").origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    # The programs find their libraries by the way from one folder to the other.
    for folder in (package, package.parent / "pgserver.libs"):
        if folder.exists():
            shutil.copytree(folder, home / folder.name)
    return home / package.name / "pginstall" / "bin"


def wait_until_ready(programs, port, server, options):
    deadline = time.monotonic() + 30
    ask = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"postgres ended with {server.returncode}")
        if subprocess.run(ask, **options).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError("postgres was not ready within 30 s")


def main():
    home = Path(tempfile.mkdtemp(prefix="pgvector-"))
    options = {"cwd": home, "stdin": subprocess.DEVNULL}
    if os.geteuid() == 0:
        account = pwd.getpwnam(ACCOUNT)
        os.chown(home, account.pw_uid, account.pw_gid)
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    server = None
    try:
        programs = binaries(home)
        data, port = home / "data", free_port()
        initdb = [programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "utf8"]
        subprocess.run([*initdb, "--no-sync"], check=True, stdout=subprocess.DEVNULL, **options)
        # Without fsync: the data is gone after the tests.
        command = [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", ""]
        with open(home / "log", "wb") as log:
            server = subprocess.Popen(
                [*command, "-c", "fsync=off"], stdout=log, stderr=subprocess.STDOUT, **options
            )
        wait_until_ready(programs, port, server, options)
        print(f"ready postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable", flush=True)
        sys.stdin.read()
    finally:
        if server is not None and server.poll() is None:
            # The fast shutdown: without waiting for clients.
            server.send_signal(signal.SIGINT)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        shutil.rmtree(home, ignore_errors=True)


main()
