"""What the tests of this suite share: who is asked, and one client that is sync or async."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import openai

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "run"))

from harness.gateway import PROVIDERS  # noqa: E402

MOCK_URL = os.environ.get("MOCK_URL", "http://127.0.0.1:9090").rstrip("/")
GATEWAY_URL = os.environ.get("GATEWAY_URL", "").rstrip("/")
GATEWAY_ADMIN = os.environ.get("GATEWAY_ADMIN", GATEWAY_URL).rstrip("/")

# Without a gateway the mock itself is the OpenAI-compatible server under test.
BASE_URL = f"{GATEWAY_URL}/v1" if GATEWAY_URL else f"{MOCK_URL}/openai/v1"

CHAT_MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}
EMBEDDING_MODELS = {"openai": "text-embedding-3-small", "gemini": "gemini-embedding-001"}


@dataclass
class Target:
    """A provider, and the model names under which the server in test offers it."""

    provider: str
    model: str
    embedding_model: str | None

    def fallbacks(self):
        """The other providers' chat models, as the body's `fallbacks`."""
        return [name(p, CHAT_MODELS[p]) for p in PROVIDERS if p != self.provider]


def name(provider, model):
    """The model's name for the client: with the provider in front of it, if a gateway is asked."""
    return f"{provider}/{model}" if GATEWAY_URL else model


def target(provider):
    embedding = EMBEDDING_MODELS.get(provider)
    return Target(provider, name(provider, CHAT_MODELS[provider]), embedding and name(provider, embedding))


class Caller:
    """One official OpenAI client, sync or async, called the same way in both forms.

    `attempts` holds the headers of every HTTP request that the SDK sent, its own retries among them.
    """

    def __init__(self, mode, api_key="sk-no-virtual-key", **options):
        self.mode = mode
        self.attempts = []
        options = {"base_url": BASE_URL, "api_key": api_key, "max_retries": 0, "timeout": 20.0, **options}
        if mode == "sync":
            hooks = {"request": [self._saw]}
            self.client = openai.OpenAI(http_client=openai.DefaultHttpxClient(event_hooks=hooks), **options)
            self.runner = None
        else:
            hooks = {"request": [self._saw_async]}
            self.client = openai.AsyncOpenAI(http_client=openai.DefaultAsyncHttpxClient(event_hooks=hooks), **options)
            self.runner = asyncio.Runner()

    def _saw(self, request):
        self.attempts.append(dict(request.headers))

    async def _saw_async(self, request):
        self._saw(request)

    def close(self):
        self.run(self.client.close())
        if self.runner:
            self.runner.close()

    def run(self, result):
        """The value itself, or what the awaitable comes to."""
        if self.runner is None:
            return result

        async def wait():
            return await result

        return self.runner.run(wait())

    def each(self, stream):
        """Every item of a stream of either kind, in a list."""
        return self.run(_async_items(stream)) if self.runner else list(stream)

    # The calls of the SDK that the tests make.

    def chat(self, model, content="Say hello.", **more):
        return self.run(self.client.chat.completions.create(**request(model, content, more)))

    def raw_chat(self, model, content="Say hello.", **more):
        return self.run(self.client.chat.completions.with_raw_response.create(**request(model, content, more)))

    def parse(self, model, content="Say hello.", **more):
        return self.run(self.client.chat.completions.parse(**request(model, content, more)))

    def chunks(self, model, content="Say hello.", **more):
        return self.each(self.chat(model, content, stream=True, **more))

    def events(self, model, content="Say hello.", **more):
        """The events of the `.stream()` helper and its final completion."""
        manager = self.client.chat.completions.stream(**request(model, content, more))
        if self.runner:
            return self.run(_async_events(manager))
        with manager as stream:
            return list(stream), stream.get_final_completion()

    def embed(self, model, texts, **more):
        return self.run(self.client.embeddings.create(model=model, input=texts, **more))


def request(model, content, more):
    messages = [{"role": "user", "content": content}]
    return {"model": model, "messages": messages, **more}


async def _async_items(stream):
    return [item async for item in stream]


async def _async_events(manager):
    async with manager as stream:
        events = [event async for event in stream]
        return events, await stream.get_final_completion()


def text_of(chunks):
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def extra_fields(answer):
    """The gateway's `extra_fields` of a completion, chunk or list of embeddings."""
    return answer.model_extra["extra_fields"]


def error_of(failure):
    """The `error` object of a status error: the SDK hands over either it or the whole body."""
    body = failure.body if isinstance(failure.body, dict) else {}
    return body.get("error", body) if isinstance(body.get("error", body), dict) else body


def assert_openai_error(failure):
    """OpenAI's error shape: all four keys, a message that says something."""
    error = error_of(failure)
    assert {"message", "type", "param", "code"} <= set(error), f"not OpenAI's error shape: {failure.body}"
    assert error["message"], "an error without a message"
    return error


def curl(*arguments, timeout=20):
    """Runs curl; answers what it printed."""
    command = ["curl", "--silent", "--show-error", "--max-time", str(timeout), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout + 5)
    assert done.returncode == 0, f"curl ended with {done.returncode}: {done.stderr}"
    return done.stdout
