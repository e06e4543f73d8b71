"""Starting and ending the mock provider and the gateway. Ends only what it started."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .gateway import Gateway
from .http import call
from .mock import Mock


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """One child process whose output goes to a file."""

    def __init__(self, name, command, log, env=None):
        self.name = name
        self.log = Path(log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env
            )

    def wait_for(self, url, within=30):
        """Waits until the URL answers 200; says what the process wrote if it does not."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.child.returncode}:\n{self.tail()}")
            try:
                if call("GET", url, timeout=2).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} was not ready within {within} s:\n{self.tail()}")

    def tail(self, size=4000):
        return self.log.read_bytes()[-size:].decode("utf-8", "replace")

    def terminate(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)

    def kill(self):
        """Ends it with SIGKILL, as a crash would."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(10)

    def stop(self, within=10):
        """Ends it with SIGTERM, and by force if it does not go."""
        self.terminate()
        try:
            self.child.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()


class World:
    """A mock provider and gateways in front of it, in one temporary directory."""

    def __init__(self, mock_bin=None, gateway_bin=None):
        self.mock_bin = mock_bin or os.environ.get("MOCK_PROVIDER_BIN")
        self.gateway_bin = gateway_bin or os.environ.get("TOLLBRIDGE_BIN")
        self.dir = Path(tempfile.mkdtemp(prefix="tollbridge-test-"))
        self.processes = []
        self.keep = False
        self.mock = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.stop()
        if self.keep:
            print(f"logs kept in {self.dir}", file=sys.stderr)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def start_mock(self):
        port = free_port()
        command = [self.mock_bin, "--listen", f"127.0.0.1:{port}"]
        process = self._start("mock-provider", command, self.dir / "mock.log")
        process.wait_for(f"http://127.0.0.1:{port}/_mock/counts")
        self.mock = Mock(f"http://127.0.0.1:{port}")
        return self.mock

    def start_gateway(self, app_dir="app", port=None, extra=(), **env):
        """Starts a gateway on an app-dir of this world; the same name again is the same data."""
        port = port or free_port()
        app_dir = self.dir / app_dir
        app_dir.mkdir(exist_ok=True)
        command = [self.gateway_bin, "--app-dir", str(app_dir), "--host", "127.0.0.1", "--port", str(port)]
        command += ["--log-style", "json", *extra]
        process = self._start("tollbridge", command, self.dir / f"{app_dir.name}.log", clean_environment(**env))
        process.wait_for(f"http://127.0.0.1:{port}/readyz")
        gateway = Gateway(f"http://127.0.0.1:{port}")
        gateway.process = process
        gateway.port = port
        return gateway

    def _start(self, *arguments):
        process = Process(*arguments)
        self.processes.append(process)
        return process


def clean_environment(**more):
    """The environment without provider keys and what else the gateway would pick up."""
    others = ("_API_KEY", "_AUTH_TOKEN", "TOLLBRIDGE_EMBEDDING_MODEL")
    env = {name: value for name, value in os.environ.items() if not name.endswith(others)}
    return {**env, **more}
