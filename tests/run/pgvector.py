"""Starts a PostgreSQL with pgvector for tests, from the package `pgserver` of this interpreter.

Prints `ready <url>` when it answers, and ends it and removes its data when the standard input
closes, so that it ends with whoever started it. Until then the lines `stop` and `freeze` take it
away, answered by `stopped` and `frozen`, and `start` and `thaw` bring it back with its data, answered
by `ready <url>`. PostgreSQL does not run as root: as root it runs as `nobody`, from a copy that this
account may read.
"""

import contextlib
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


class Server:
    """A cluster in `home` and its process."""

    def __init__(self, home, options):
        self.home, self.options = home, options
        self.programs, self.port = binaries(home), free_port()
        self.process = None
        initdb = [self.programs / "initdb", "-D", home / "data", "-A", "trust", "-U", "postgres"]
        initdb += ["-E", "utf8", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **options)

    def start(self):
        if self.process is not None:
            return
        command = [self.programs / "postgres", "-D", self.home / "data", "-h", "127.0.0.1"]
        # Without fsync: the data is gone after the tests.
        command += ["-p", str(self.port), "-k", "", "-c", "fsync=off", "-c", "max_connections=200"]
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, **self.options
            )
        wait_until_ready(self.programs, self.port, self.process, self.options)

    def stop(self):
        self.signal_all(signal.SIGCONT)
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        # The fast shutdown: without waiting for clients.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def signal_all(self, number):
        """To the server and the processes of its connections, which are others."""
        if self.process is None:
            return
        for pid in [self.process.pid, *children(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def children(pid):
    """The processes that a process has started."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in listed.stdout.split()]


def obey(server):
    """Does what the lines of the standard input say, until it closes."""
    url = f"postgres://postgres@127.0.0.1:{server.port}/postgres?sslmode=disable"
    server.start()
    print(f"ready {url}", flush=True)
    for line in sys.stdin:
        if line.strip() == "stop":
            server.stop()
            print("stopped", flush=True)
        elif line.strip() == "start":
            server.start()
            print(f"ready {url}", flush=True)
        elif line.strip() == "freeze":
            server.signal_all(signal.SIGSTOP)
            print("frozen", flush=True)
        elif line.strip() == "thaw":
            server.signal_all(signal.SIGCONT)
            print(f"ready {url}", flush=True)


def main():
    home = Path(tempfile.mkdtemp(prefix="pgvector-"))
    options = {"cwd": home, "stdin": subprocess.DEVNULL}
    if os.geteuid() == 0:
        account = pwd.getpwnam(ACCOUNT)
        os.chown(home, account.pw_uid, account.pw_gid)
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    server = None
    try:
        server = Server(home, options)
        obey(server)
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(home, ignore_errors=True)


main()
