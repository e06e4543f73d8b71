"""HTTP/2 without TLS, as curl and the JavaScript SDK of AWS speak it."""

import json
import subprocess

from harness.gateway import hello


def curl_http2(gateway, body):
    command = [
        "curl", "--silent", "--show-error", "--max-time", "20", "--http2-prior-knowledge", "--no-buffer",
        "--header", "content-type: application/json", "--data", json.dumps(body),
        "--write-out", "\n%{http_version} %{http_code}", f"{gateway.url}/v1/chat/completions",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    printed, _, versions = done.stdout.rpartition("\n")
    assert versions == "2 200", f"HTTP version and status: {versions}; {printed[:300]}"
    return printed


def test_a_whole_answer_over_http2(gateway, mock):
    mock.rule({"provider": "openai"}, text="Over one connection.")

    answer = json.loads(curl_http2(gateway, hello("openai/gpt-4o-mini")))

    assert answer["choices"][0]["message"]["content"] == "Over one connection."


def test_a_stream_over_http2(gateway):
    printed = curl_http2(gateway, hello("anthropic/claude-haiku-4-5", stream=True))

    assert printed.rstrip().endswith("data: [DONE]")
