"""The semantic cache as its callers and its operator see it."""

import json
import time

from .gateway import hello
from .http import expect
from .stores import model_folder

MODEL = "openai/gpt-4o-mini"

# Asked after the other was answered: with what all-MiniLM-L6-v2 says of them.
PARAPHRASES = [
    ("What is the way to cancel my subscription?", "How can I cancel my subscription?"),  # 0.99
    ("What is the reason my card was declined?", "Why was my card declined?"),  # 0.98
    ("My order was charged two times", "I was charged twice for my order"),  # 0.96
]
TRAPS = [
    ("Cancel my order", "Do not cancel my order", "negation"),  # 0.96
    ("Why is my code working?", "Why is my code not working?", "negation"),  # 0.97
    ("Give me five tips for better sleep", "Give me ten tips for better sleep", "number"),  # 0.97
    ("How much is a flight for two adults?", "How much is a flight for three adults?", "number"),  # 0.94
]
ARTICLE = ("When are you open?", "What are business hours?")  # 0.36


def write_config(world, app_dir, **config):
    """Writes config.json for the gateway that will be started on this app-dir."""
    folder = world.dir / app_dir
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))


def local_engine(**more):
    """The plugin's config for embeddings of the gateway's own."""
    return {"provider": "local", "embedding_model": str(model_folder()), **more}


def put_plugin(gateway, **config):
    """Replaces the config of the plugin `semantic_cache`."""
    expect("PUT", f"{gateway.admin}/api/plugins/semantic_cache", {"enabled": True, "config": config})


def put_embedder(gateway, url):
    """A provider `embedder` of one's own, which speaks OpenAI's embeddings."""
    body = {
        "keys": [{"name": "embedder-key", "value": "sk-embedder", "weight": 1}],
        "network_config": {"base_url": url},
        "custom_provider_config": {"base_provider_type": "openai", "allowed_requests": {"embedding": True}},
    }
    expect("PUT", f"{gateway.admin}/api/providers/embedder", body)


def put_key(gateway, key_id, semantic_cache=True, **more):
    gateway.put_virtual_key(key_id, {"semantic_cache": semantic_cache, **more})
    # The model is loaded once somebody may use it.
    wait_for(lambda: status(gateway)["embedding_model"], "an embedding model")
    return key_id


def status(gateway):
    return expect("GET", f"{gateway.admin}/api/cache").json()


def wait_for(condition, what, within=20):
    """Waits until the condition holds and answers what it came to."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {within} s for {what}"
        time.sleep(0.02)
    return value


def ask(gateway, key, question, model=MODEL, headers=None, timeout=20, **more):
    """One chat request that must be answered."""
    answer = Asked(gateway.chat(hello(model, question, **more), key, headers, timeout))
    assert answer.status == 200, f"{answer.status} {answer.text[:500]}"
    return answer


class Asked:
    """An answer and what it says of the cache."""

    def __init__(self, answer):
        self.status, self.headers, self.text = answer.status, answer.headers, answer.text
        self.cache_status = answer.headers.get("cache-status", "")
        self.is_hit = "; hit" in self.cache_status
        body = answer.json() if answer.status == 200 else {}
        self.id = body.get("id")
        self.debug = body.get("extra_fields", {}).get("cache_debug", {})

    @property
    def similarity(self):
        """Of the best candidate, served or not."""
        return self.debug.get("similarity", self.debug.get("best_similarity"))


def entries(gateway):
    return status(gateway)["entries"]


def clear_scope(gateway, scope):
    return expect("DELETE", f"{gateway.admin}/api/cache/clear-by-scope/{scope}").json()["removed"]


def rows(gateway, matches, count, within=10):
    """At least `count` log rows that match, newest first; they are written behind the answers."""

    def found():
        logs = expect("GET", f"{gateway.admin}/api/logs?limit=200").json()["logs"]
        matching = [row for row in logs if matches(row)]
        return matching if len(matching) >= count else None

    return wait_for(found, f"{count} log rows", within)


def report(gateway):
    return expect("GET", f"{gateway.admin}/api/cache/report").json()

