#!/usr/bin/env python3
"""Shows the gateway with no API key: the mock provider behind it, the article's setup, and traffic in
which OpenAI fails now and then so that Anthropic takes over, a key of Gemini is rate limited and
rests, a trial key reaches its limit, and what customers ask again is answered from the semantic cache. Ends
with Ctrl-C or after an hour, and ends what it started."""

import argparse
import http.client
import json
import math
import os
import random
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

MOCK_PORT = 19201
PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "gemini": "gemini/v1beta"}
# The gateway would warn of keys whose ids are their secrets, so each has a secret of its own.
SECRETS = {name: f"sk-bf-demo-{name}" for name in ("vk-prod", "vk-backup", "vk-support", "vk-trial")}
# How often each is used, in calls.
SHARES = {"vk-prod": 16, "vk-backup": 12, "vk-support": 12, "vk-trial": 1}
VIRTUAL_KEYS = {
    "vk-prod": {
        "description": "The product: half OpenAI, the rest Anthropic and Gemini",
        "budget": {"max_limit": 6, "reset_duration": "1d"},
        "provider_configs": [
            {"provider": "openai", "weight": 0.5, "allowed_models": ["gpt-4o-mini"]},
            {"provider": "anthropic", "weight": 0.3, "allowed_models": ["claude-3-5-haiku-20241022"]},
            {"provider": "google", "weight": 0.2, "allowed_models": ["gemini-1.5-flash"]},
        ],
    },
    "vk-backup": {
        "description": "OpenAI first, Anthropic when it fails",
        "budget": {"max_limit": 20, "reset_duration": "1M"},
        "rate_limit": {"request_max_limit": 10000, "request_reset_duration": "1h"},
        "provider_configs": [{"provider": "openai", "weight": 0.8}, {"provider": "anthropic", "weight": 0.2}],
    },
    "vk-support": {
        "description": "Customers' questions, of which many have been asked before",
        "budget": {"max_limit": 10, "reset_duration": "1M"},
        "semantic_cache": True,
        "provider_configs": [{"provider": "anthropic", "weight": 1, "allowed_models": ["claude-3-5-haiku-20241022"]}],
    },
    "vk-trial": {
        "description": "A few calls for those who only try it out",
        "rate_limit": {"request_max_limit": 50, "request_reset_duration": "1h"},
        "provider_configs": [{"provider": "google", "weight": 1, "allowed_models": ["gemini-1.5-flash"]}],
    },
}
MODELS = {"vk-support": "claude-3-5-haiku-20241022", "vk-trial": "gemini-1.5-flash"}
# In other words the same, with a "not" another question.
ASKED_AGAIN = [
    "How can I cancel my subscription?",
    "What is the way to cancel my subscription?",
    "Why was my card declined?",
    "What is the reason my card was declined?",
    "I was charged twice for my order",
    "My order was charged two times",
    "How do I reset my password?",
    "how do i reset my password",
    "Cancel my order",
    "Do not cancel my order",
]
ASKED_ONCE = ["Where is my order {}?", "How much do {} licences cost?", "Why is invoice {} so high?"]
# Milliseconds to the first token, so that the lines of the providers lie apart.
DELAYS = {"openai": 140, "anthropic": 260, "gemini": 60}
CYCLE = 60


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
        ask(port, "PUT", f"/api/governance/virtual-keys/{name}", {"value": SECRETS[name], **body})


def trouble_of(second):
    """What goes wrong in this second of the demo, as rules of the mock."""
    second %= CYCLE
    if 20 <= second < 30:
        return [{"when": {"provider": "openai"}, "reply": {"status": 503}}]
    if 42 <= second < 46:
        return [{"when": {"key": "sk-gemini-2"}, "reply": {"status": 429, "retry_after": 15}}]
    return []


def script(trouble):
    rules = list(trouble)
    for provider, delay in DELAYS.items():
        usage = {"input_tokens": random.randint(300, 1500), "output_tokens": random.randint(100, 600)}
        reply = {"words": 30, "delay_first_token_ms": delay, "delay_between_ms": 3, "usage": usage}
        rules.append({"when": {"provider": provider}, "reply": reply})
    ask(MOCK_PORT, "DELETE", "/_mock/rules")
    ask(MOCK_PORT, "POST", "/_mock/rules", rules)


def call(port):
    name = random.choices(list(SHARES), SHARES.values())[0]
    content = "Say something about bridges."
    if name == "vk-support":
        content = random.choice(random.choice((ASKED_AGAIN, ASKED_ONCE))).format(random.randint(2, 9999))
    body = {
        "model": MODELS.get(name, "gpt-4o-mini"),
        "stream": random.random() < 0.5,
        "messages": [{"role": "user", "content": content}],
    }
    ask(port, "POST", "/v1/chat/completions", body, SECRETS[name])


def traffic(port):
    """Calls for an hour, now more and now fewer of them, a few at a time."""
    begun = time.monotonic()
    with ThreadPoolExecutor(max_workers=4) as pool:
        while (second := int(time.monotonic() - begun)) < 3600:
            script(trouble_of(second))
            calls = 2 + round(1.5 * math.sin(second / 40)) + random.randint(0, 1)
            list(pool.map(call, [port] * calls))
            time.sleep(max(0, begun + second + 1 - time.monotonic()))


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
            print(f"The demo runs on http://localhost:{chosen.port}/?range=15m — OpenAI fails for 10 s of every "
                  "minute. Ctrl-C ends it.", flush=True)
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
