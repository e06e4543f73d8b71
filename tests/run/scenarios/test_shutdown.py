"""SIGTERM: no longer ready at once, nobody new, what runs is finished."""

import json
import time

from harness.gateway import hello
from harness.http import call, connect, expect

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


def test_what_outlasts_the_grace_ends_in_an_error_and_is_paid(world, mock):
    gateway = world.start_gateway("short-grace")
    gateway.set_up(mock)
    expect("PUT", f"{gateway.admin}/api/config", {"client_config": {"shutdown_grace_seconds": 1}})
    gateway.put_virtual_key(
        "vk-cut", {"rate_limit": {"token_max_limit": 100_000_000, "token_reset_duration": "1d"}}
    )
    mock.rule(text=WORDS, delay_between_ms=200)
    models = ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"] * 8
    streams = [open_stream(gateway, model, "vk-cut") for model in models]

    gateway.process.terminate()
    ends = [stream.read().decode() for _, stream in streams]
    assert gateway.process.child.wait(15) == 0

    for model, end in zip(models, ends):
        assert "[DONE]" not in end, f"{model}: a stream that was cut says that it is complete"
        events = [line[6:] for line in end.split("\n") if line.startswith("data: ")]
        error = json.loads(events[-1])["error"]
        assert "shutting down" in error["message"]
        assert {"message", "type", "param", "code"} <= set(error)
    again = world.start_gateway("short-grace")
    rows = expect("GET", f"{again.admin}/api/logs?limit=100").json()["logs"]
    assert len(rows) == len(models)
    tokens = [row["token_usage"]["total_tokens"] for row in rows]
    # Each client had seen more than one of forty words.
    assert all(row["token_usage"]["completion_tokens"] > 1 for row in rows), tokens
    used = again.get_virtual_key("vk-cut")["rate_limit"]["token_current_usage"]
    assert used == sum(tokens)


def open_stream(gateway, model, key):
    """A stream of which the first event has been read."""
    connection, path = connect(f"{gateway.url}/v1/chat/completions", timeout=30)
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    connection.request("POST", path, json.dumps(hello(model, stream=True)), headers)
    stream = connection.getresponse()
    assert stream.readline().startswith(b"data: ")
    return connection, stream
