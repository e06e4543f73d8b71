"""SIGTERM: no longer ready at once, nobody new, what runs is finished."""

import json
import time

from harness.gateway import hello
from harness.http import call, connect

WORDS = " ".join(f"word{number}" for number in range(40))


def test_sigterm_drains(world, gateway, mock):
    mock.rule({"provider": "openai"}, text=WORDS, delay_between_ms=100)
    connection, path = connect(f"{gateway.url}/v1/chat/completions", timeout=30)
    body = json.dumps(hello("openai/gpt-4o-mini", stream=True))
    connection.request("POST", path, body, {"content-type": "application/json"})
    stream = connection.getresponse()
    first = stream.readline()
    assert first.startswith(b"data: ")

    gateway.process.terminate()
    time.sleep(0.1)

    assert readiness(gateway) in (503, None), "still ready after SIGTERM"
    deadline = time.monotonic() + 2
    while readiness(gateway) is not None:
        assert time.monotonic() < deadline, "new connections are still accepted"
        time.sleep(0.05)
    assert gateway.process.child.poll() is None, "it went before the stream was over"

    rest = first + stream.read()
    events = [line[6:] for line in rest.decode().split("\n") if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    text = "".join(
        choice["delta"].get("content") or "" for event in events[:-1] for choice in json.loads(event)["choices"]
    )
    assert text == WORDS
    assert gateway.process.child.wait(15) == 0


def readiness(gateway):
    """The status of /readyz on a new connection, or None if there is none to be had."""
    try:
        return call("GET", f"{gateway.url}/readyz", timeout=2).status
    except OSError:
        return None
