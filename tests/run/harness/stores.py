"""What the cache works with: a model, PostgreSQL with pgvector, Redis, an embeddings service.

`setup_cache.sh` installs them, and Debian's `redis-server`. Ends only what it started.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from .http import expect
from .processes import free_port

RUN = Path(__file__).resolve().parents[1]
PYTHON = RUN / ".venv-cache/bin/python"


class Missing(Exception):
    """Something is not installed; the text says what and who installs it."""


def model_folder():
    """The folder of all-MiniLM-L6-v2."""
    folder = Path(os.environ.get("TOLLBRIDGE_TEST_MODEL") or RUN / ".venv-cache/all-MiniLM-L6-v2")
    if not folder.is_dir():
        raise Missing(f"the model is not at {folder} (tests/run/setup_cache.sh)")
    return folder


class Child:
    """A program of tests/run in the environment of `setup_cache.sh`, which says `ready …`."""

    def __init__(self, *command):
        if not PYTHON.exists():
            raise Missing(f"{PYTHON} is not there (tests/run/setup_cache.sh)")
        command = [str(PYTHON), *(str(word) for word in command)]
        # One thread for each product of matrices: the machine has others to serve.
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.said = self.answer("ready ")

    def answer(self, begins):
        """The next line, without what it has to begin with."""
        line = self.child.stdout.readline()
        assert line.startswith(begins), f"{self.child.args[1]} said {line!r} instead of {begins!r}"
        return line.removeprefix(begins).strip()

    def tell(self, line, begins):
        self.child.stdin.write(f"{line}\n")
        self.child.stdin.flush()
        return self.answer(begins)

    def close(self):
        self.child.stdin.close()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Postgres(Child):
    """A server of its own, at `url`."""

    def __init__(self):
        super().__init__(RUN / "pgvector.py")
        self.url = self.said

    def leave(self, how):
        """`stopped`, or `frozen`: connections stay and nobody answers."""
        self.tell("stop" if how == "stopped" else "freeze", how)

    def come_back(self, how):
        self.tell("start" if how == "stopped" else "thaw", "ready ")

    def config(self):
        """`vector_store` of config.json."""
        return {"enabled": True, "type": "postgres", "config": {"url": self.url}}


class EmbeddingServer(Child):
    """OpenAI's embeddings over the model, at `url`."""

    def __init__(self):
        super().__init__(RUN / "embedding_server.py", "--model", model_folder())
        self.url = f"http://127.0.0.1:{self.said}"

    def count(self):
        """Texts embedded so far."""
        return expect("GET", f"{self.url}/_count").json()["texts"]

    def close(self):
        self.child.terminate()
        super().close()


class Redis:
    """A server of its own without a file, at `addr`."""

    def __init__(self):
        if not shutil.which("redis-server"):
            raise Missing("redis-server is not installed (Debian: apt-get install redis-server)")
        self.port = free_port()
        self.addr = f"127.0.0.1:{self.port}"
        self.child = None
        self.start()

    def start(self):
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self.child.poll() is None and time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7).startswith(b"+PONG")
        except OSError:
            return False

    def leave(self, how):
        """`stopped`, or `frozen`: connections stay and nobody answers."""
        self.child.send_signal(signal.SIGKILL if how == "stopped" else signal.SIGSTOP)
        if how == "stopped":
            self.child.wait()

    def come_back(self, how):
        if how == "stopped":
            self.start()
        else:
            self.child.send_signal(signal.SIGCONT)

    def close(self):
        self.child.kill()
        self.child.wait()

    def config(self):
        """`vector_store` of config.json."""
        return {"enabled": True, "type": "redis", "config": {"addr": self.addr}}
