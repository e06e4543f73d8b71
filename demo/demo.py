#!/usr/bin/env python3
"""Shows the gateway with no API key: the mock provider behind it, the article's setup, and a little
traffic in which OpenAI fails now and then so that Anthropic takes over. Ends with Ctrl-C or after an
hour, and ends what it started."""

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import tempfile
import time

MOCK_PORT = 19201
PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "gemini": "gemini/v1beta"}
VIRTUAL_KEYS = {
    "vk-prod": {
        "budget": {"max_limit": 0.5, "reset_duration": "1d"},
        "provider_configs": [
            {"provider": "openai", "weight": 0.5, "allowed_models": ["gpt-4o-mini"]},
            {"provider": "anthropic", "weight": 0.3, "allowed_models": ["claude-3-5-haiku-20241022"]},
            {"provider": "google", "weight": 0.2, "allowed_models": ["gemini-1.5-flash"]},
        ],
    },
    "vk-backup": {
        "budget": {"max_limit": 1, "reset_duration": "1d"},
        "rate_limit": {"request_max_limit": 10000, "request_reset_duration": "1h"},
        "provider_configs": [{"provider": "openai", "weight": 0.8}, {"provider": "anthropic", "weight": 0.2}],
    },
}


def ask(port, method, path, body=None, key=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"content-type": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def wait_for(port, path):
    for _ in range(200):
        try:
            if ask(port, "GET", path)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"nothing answers on port {port}")


def set_up(port):
    for name, path in PROVIDERS.items():
        keys = [{"name": f"{name}-{n}", "value": f"sk-{name}-{n}", "weight": 1} for n in (1, 2, 3)]
        network = {"base_url": f"http://127.0.0.1:{MOCK_PORT}/{path}"}
        ask(port, "POST", "/api/providers", {"provider": name, "keys": keys, "network_config": network})
    for name, body in VIRTUAL_KEYS.items():
        ask(port, "PUT", f"/api/governance/virtual-keys/{name}", body)
    ask(MOCK_PORT, "POST", "/_mock/rules", usual())


def usual():
    usage = {"input_tokens": 900, "output_tokens": 350}
    return [{"when": {}, "reply": {"words": 40, "delay_first_token_ms": 120, "delay_between_ms": 4, "usage": usage}}]


def outage(on):
    ask(MOCK_PORT, "DELETE", "/_mock/rules")
    rules = usual()
    if on:
        rules.insert(0, {"when": {"provider": "openai"}, "reply": {"status": 503}})
    ask(MOCK_PORT, "POST", "/_mock/rules", rules)


def traffic(port):
    failing = False
    for second in range(3600):
        if (second % 30 >= 22) != failing:
            failing = not failing
            outage(failing)
        for _ in range(random.randint(1, 4)):
            body = {"model": "gpt-4o-mini", "stream": random.random() < 0.5,
                    "messages": [{"role": "user", "content": "Say something about bridges."}]}
            ask(port, "POST", "/v1/chat/completions", body, random.choice(list(VIRTUAL_KEYS)))
        time.sleep(0.3)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tollbridge", required=True)
    parser.add_argument("--mock-provider", required=True)
    parser.add_argument("--port", type=int, default=8080)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    with tempfile.TemporaryDirectory(prefix="tollbridge-demo-") as directory:
        commands = [
            [chosen.mock_provider, "--listen", f"127.0.0.1:{MOCK_PORT}"],
            [chosen.tollbridge, "--app-dir", directory, "--host", "localhost", "--port", str(chosen.port),
             "--log-style", "pretty", "--log-level", "warn"],
        ]
        children = [subprocess.Popen(command, env=environment) for command in commands]
        try:
            wait_for(MOCK_PORT, "/_mock/health")
            wait_for(chosen.port, "/readyz")
            set_up(chosen.port)
            print(f"The demo runs on http://localhost:{chosen.port} — OpenAI fails for 8 s in every 30. Ctrl-C ends it.")
            traffic(chosen.port)
        except KeyboardInterrupt:
            pass
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(10)


if __name__ == "__main__":
    main()
