"""Embeddings of a provider: the same vectors as the engine's, and requests of their own in the books."""

import itertools
import json
import time
from pathlib import Path

import pytest

from harness.cache import PARAPHRASES, TRAPS, ask, local_engine, put_embedder, put_key, put_plugin, rows, status
from harness.http import expect

REFERENCE = Path(__file__).resolve().parents[3] / "local-embedding/src/reference.json"
EMBEDDING = "text-embedding-3-small"
EMBEDDING_TOKEN = 0.02e-6  # US dollars
CHAT = "anthropic/claude-haiku-4-5"
NUMBER = itertools.count()


@pytest.fixture(scope="module")
def gateway_server(world, embeddings):
    """Chat comes from the mock; `openai` and `embedder` make embeddings only."""
    gateway = world.start_gateway()
    gateway.set_up(world.mock)
    gateway.put_provider("openai", world.mock, base_url=embeddings.url)
    put_embedder(gateway, embeddings.url)
    return gateway


def new_key(gateway, **more):
    return put_key(gateway, f"vk-{next(NUMBER)}", **more)


def test_the_server_has_the_vectors_that_the_engine_is_tested_with(embeddings):
    """The engine's own tests compare it with the same reference."""
    texts = json.loads(REFERENCE.read_text())["texts"]
    body = {"model": "m", "input": [known["text"] for known in texts]}
    answer = expect("POST", f"{embeddings.url}/v1/embeddings", body, {"authorization": "Bearer x"}).json()
    vectors = [one["embedding"] for one in answer["data"]]
    for vector, known in zip(vectors, texts, strict=True):
        assert vector[:8] == pytest.approx(known["begins"], abs=1e-3)
        cosines = [sum(a * b for a, b in zip(vector, other, strict=True)) for other in vectors]
        assert cosines == pytest.approx(known["cosines"], abs=1e-3)


def test_engine_and_provider_find_the_same_similarities(gateway, model):
    pairs = PARAPHRASES + [trap[:2] for trap in TRAPS]
    found = {}
    embedder = {"provider": "embedder", "embedding_model": "all-MiniLM-L6-v2"}
    for name, config in [("local", local_engine()), ("embedder", embedder)]:
        put_plugin(gateway, **config)
        key = new_key(gateway)
        for asked, stored in pairs:
            ask(gateway, key, stored, CHAT)
            answer = ask(gateway, key, asked, CHAT)
            assert answer.debug["provider_used"] == name
            found.setdefault((asked, stored), []).append(answer.similarity)
    assert len(found) == len(pairs)
    for pair, (local, provider) in found.items():
        assert local == pytest.approx(provider, abs=1e-3), pair


def test_an_embedding_is_a_request_of_its_own_in_rows_and_metrics(gateway, embeddings):
    put_plugin(gateway, provider="openai", embedding_model=EMBEDDING)
    key = new_key(gateway)
    asked, stored = PARAPHRASES[0]
    before, embedded = gateway.metrics(), embeddings.count()
    ask(gateway, key, stored, CHAT)
    hit = ask(gateway, key, asked, CHAT)
    exact = ask(gateway, key, stored, CHAT)
    assert (hit.debug["hit_type"], exact.debug["hit_type"]) == ("semantic", "direct")
    assert embeddings.count() - embedded == 2, "an exact hit costs no embedding"
    mine = rows(gateway, lambda row: row["virtual_key_id"] == key and row["object"] == "embedding", 2)
    assert [(row["provider"], row["model"], row["status"]) for row in mine] == [("openai", EMBEDDING, "success")] * 2
    assert mine[0]["token_usage"]["prompt_tokens"] == hit.debug["input_tokens"] > 0
    assert mine[0]["cost"] == pytest.approx(hit.debug["input_tokens"] * EMBEDDING_TOKEN)
    chats = rows(gateway, lambda row: row["virtual_key_id"] == key and row["object"] != "embedding", 3)
    assert len(chats) == 3
    after = gateway.metrics()

    def more(name, **labels):
        return after.sum(name, **labels) - before.sum(name, **labels)

    assert more("bifrost_upstream_requests_total", provider="openai") == 2
    assert more("bifrost_upstream_requests_total", provider="anthropic") == 1, "hits are no traffic of a provider"
    assert more("bifrost_cache_hits_total", cache_type="semantic") == 1
    assert more("bifrost_cache_hits_total", cache_type="direct") == 1


@pytest.mark.parametrize("hit_cost", ["embedding", "free"])
def test_a_hit_costs_its_embedding_or_nothing(gateway, mock, hit_cost):
    put_plugin(gateway, provider="openai", embedding_model=EMBEDDING, hit_cost=hit_cost)
    mock.rule({"provider": "anthropic"}, text="Done.", usage={"input_tokens": 1000, "output_tokens": 1000})
    key = new_key(gateway, budget={"max_limit": 10, "reset_duration": "1M"})
    asked, stored = PARAPHRASES[0]
    first = ask(gateway, key, stored, CHAT)
    # 1 and 5 dollars per million tokens.
    answered = gateway.spent(key)
    paid = first.debug["input_tokens"] * EMBEDDING_TOKEN if hit_cost == "embedding" else 0
    assert answered == pytest.approx(0.006 + paid, abs=1e-9)
    hit = ask(gateway, key, asked, CHAT)
    assert hit.debug["hit_type"] == "semantic"
    paid = hit.debug["input_tokens"] * EMBEDDING_TOKEN if hit_cost == "embedding" else 0
    assert gateway.spent(key) - answered == pytest.approx(paid, abs=1e-9)
    payer = key if hit_cost == "embedding" else None
    rows(gateway, lambda row: row["object"] == "embedding" and row["virtual_key_id"] == payer, 2)


@pytest.mark.parametrize("failure", ["refuses", "away"])
def test_without_an_embedding_it_is_a_miss_that_says_so(gateway, mock, failure):
    put_plugin(gateway, provider="gemini", embedding_model="gemini-embedding-001")
    mock.rule({"provider": "gemini"}, **({"status": 400} if failure == "refuses" else {"never_answer": True}))
    key, failures = new_key(gateway), status(gateway)["embedding_failures"]
    asked, stored = PARAPHRASES[0]
    for question in [stored, asked]:
        answer = ask(gateway, key, question, CHAT)
        assert answer.cache_status == "tollbridge; fwd=miss; detail=no-embedding"
    assert status(gateway)["embedding_failures"] == failures + 2
    since = time.monotonic()
    assert ask(gateway, key, asked, CHAT).is_hit, "the exact layer needs none"
    # Who does not answer is not waited for each time.
    assert not ask(gateway, key, f"{asked} Anybody?", CHAT).is_hit
    assert time.monotonic() - since < 2
