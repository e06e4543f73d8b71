"""Where entries are: nobody gets another's, nodes share them, and a store that is away harms nobody."""

import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.cache import (
    PARAPHRASES, ask, clear_scope, entries, local_engine, put_key, status, wait_for, write_config,
)  # fmt: skip
from harness.processes import free_port

SLOW = 1.0  # seconds


def plugin(**more):
    return [{"name": "semantic_cache", "enabled": True, "config": local_engine(**more)}]


def start(world, app_dir, store):
    """A gateway whose entries are where `store` says; `None` is its own memory."""
    more = {} if store is None else {"vector_store": store}
    write_config(world, app_dir, plugins=plugin(), **more)
    gateway = world.start_gateway(app_dir)
    gateway.set_up(world.mock)
    wait_for(lambda: status(gateway)["store_connected"], "the store")
    return gateway


def soon():
    """A shared store gets an entry beside the request."""
    time.sleep(0.5)


# --- isolation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["memory", "postgres", "redis"])
def test_no_answer_crosses_a_scope(world, mock, model, store, request):
    """50 virtual keys ask the same, all at once: first anew, then the same again and paraphrased."""
    config = None if store == "memory" else request.getfixturevalue(store).config()
    gateway = start(world, f"isolation-{store}", config)
    keys = [put_key(gateway, f"vk-{store}-{number}") for number in range(50)]
    owner = {}

    def check(calls):
        """Every answer is new, or was this key's before. Says how many were hits of which kind."""
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda call: (call[0], ask(gateway, *call)), calls))
        for key, answer in answers:
            assert owner.setdefault(answer.id, key) == key, f"{key} got the answer of {owner[answer.id]}"
        kinds = [answer.debug.get("hit_type") for _key, answer in answers]
        return {kind: kinds.count(kind) for kind in ("direct", "semantic")}

    stored = [pair[1] for pair in PARAPHRASES]
    asked = [pair[0] for pair in PARAPHRASES]
    calls = [(key, question) for question in stored for key in keys]
    assert check(calls) == {"direct": 0, "semantic": 0}
    assert len(owner) == len(calls)
    if store == "memory":
        assert entries(gateway) == len(calls)
    soon()
    assert check(calls)["direct"] == len(calls)
    similar = check([(key, question) for question in asked for key in keys])
    assert similar["semantic"] == len(calls)
    assert mock.counts() == {"openai": len(calls)}
    gateway.process.stop()


# --- nodes -------------------------------------------------------------------------------------


def two_nodes(world, store, app_dirs):
    nodes = [start(world, app_dir, store) for app_dir in app_dirs]
    for node in nodes:
        put_key(node, "vk-shared")
    return nodes


def test_two_nodes_on_one_postgres_share_exact_and_semantic_answers_and_clears(world, mock, postgres):
    one, two = two_nodes(world, postgres.config(), ["postgres-1", "postgres-2"])
    kept = [ask(one, "vk-shared", stored).id for _asked, stored in PARAPHRASES]
    soon()
    exact = [ask(two, "vk-shared", stored) for _asked, stored in PARAPHRASES]
    assert [answer.id for answer in exact] == kept
    similar = [ask(two, "vk-shared", asked) for asked, _stored in PARAPHRASES]
    assert [answer.id for answer in similar] == kept
    assert {answer.debug["hit_type"] for answer in similar} == {"semantic"}
    assert mock.counts() == {"openai": len(kept)}
    assert clear_scope(two, "virtual_key:vk-shared") == len(kept)
    for asked, stored in PARAPHRASES:
        assert not ask(one, "vk-shared", stored).is_hit
    for node in (one, two):
        node.process.stop()


def test_two_nodes_on_one_redis_share_exact_answers_and_clears(world, mock, redis):
    one, two = two_nodes(world, redis.config(), ["redis-1", "redis-2"])
    kept = [ask(one, "vk-shared", stored).id for _asked, stored in PARAPHRASES]
    soon()
    exact = [ask(two, "vk-shared", stored) for _asked, stored in PARAPHRASES]
    assert [answer.id for answer in exact] == kept
    assert mock.counts() == {"openai": len(kept)}
    assert clear_scope(two, "virtual_key:vk-shared") >= len(kept)
    for asked, stored in PARAPHRASES:
        # Its vectors are in the memory of the node that has answered, which must not remember more.
        assert not ask(one, "vk-shared", asked).is_hit
        assert not ask(one, "vk-shared", stored, headers={"x-bf-cache-type": "direct"}).is_hit
    for node in (one, two):
        node.process.stop()


def outage(gateway, server, away, survives):
    """The store goes away under load and comes back: misses in between, quick and without an error."""
    key = put_key(gateway, "vk-outage")
    question = "What do I ask meanwhile?"
    ask(gateway, key, question)
    soon()
    seen, stop = [], threading.Event()

    def keep_asking(number):
        while not stop.is_set():
            since = time.monotonic()
            # One at a time asks the same: two would be one request.
            answer = ask(gateway, key, question if number == 0 else f"What is {since} in words?")
            seen.append((since, time.monotonic() - since, answer))

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(keep_asking, number) for number in range(4)]
        time.sleep(0.5)
        server.leave(away)
        left = time.monotonic()
        time.sleep(3)
        said = status(gateway)
        stop.set()
        server.come_back(away)
        for one in asking:
            one.result()
    slowest = max(took for _since, took, _answer in seen)
    assert slowest < SLOW, f"a request took {slowest:.3f} s"
    assert any(answer.is_hit for since, _took, answer in seen if since < left - 0.1)
    without = [answer for since, _took, answer in seen if left + SLOW < since < left + 2.5]
    assert len(without) > 20 and not any(answer.is_hit for answer in without)
    assert {answer.cache_status for answer in without} == {"tollbridge; fwd=miss"}
    assert not said["store_connected"] and said["store_problem"]
    wait_for(lambda: status(gateway)["store_connected"], "the store to be back", within=30)
    if not survives:
        ask(gateway, key, question)
        soon()
    assert ask(gateway, key, question).is_hit


@pytest.mark.parametrize("away", ["stopped", "frozen"])
def test_postgres_goes_away_and_comes_back(world, mock, postgres, away):
    gateway = start(world, f"postgres-{away}", postgres.config())
    outage(gateway, postgres, away, survives=True)
    gateway.process.stop()


@pytest.mark.parametrize("away", ["stopped", "frozen"])
def test_redis_goes_away_and_comes_back(world, mock, redis, away):
    gateway = start(world, f"redis-{away}", redis.config())
    outage(gateway, redis, away, survives=away == "frozen")
    gateway.process.stop()


def test_a_store_that_is_not_there_at_the_start_is_taken_up_when_it_comes(world, mock, redis):
    redis.leave("stopped")
    write_config(world, "late", plugins=plugin(), vector_store=redis.config())
    gateway = world.start_gateway("late")
    gateway.set_up(mock)
    put_key(gateway, "vk-late")
    assert not ask(gateway, "vk-late", "Is anybody there?").is_hit
    redis.come_back("stopped")
    wait_for(lambda: status(gateway)["store_connected"], "the store", within=30)
    ask(gateway, "vk-late", "Is anybody there?")
    soon()
    assert ask(gateway, "vk-late", "Is anybody there?").is_hit
    gateway.process.stop()


# --- configuration -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["qdrant", "weaviate", "pinecone"])
def test_a_store_that_is_not_supported_ends_the_start_and_names_the_others(world, kind):
    write_config(world, kind, vector_store={"enabled": True, "type": kind, "config": {"host": "localhost"}})
    command = [world.gateway_bin, "--app-dir", str(world.dir / kind), "--port", str(free_port())]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    said = ended.stdout + ended.stderr
    assert ended.returncode not in (0, 101), said
    for word in ["vector_store.type", kind, "memory", "postgres", "redis"]:
        assert word in said


def test_bifrosts_redis_config_is_taken(world, mock, redis):
    config = {
        "addr": redis.addr, "username": "", "password": "", "db": 3, "pool_size": 10, "max_active_conns": 10,
        "min_idle_conns": 5, "max_idle_conns": 10, "conn_max_lifetime": "30m", "conn_max_idle_time": "5m",
        "dial_timeout": "5s", "read_timeout": "3s", "write_timeout": "3s", "context_timeout": "10s",
    }  # fmt: skip
    gateway = start(world, "bifrost", {"enabled": True, "type": "redis", "config": config})
    assert status(gateway)["store"] == "redis"
    put_key(gateway, "vk-bifrost")
    kept = ask(gateway, "vk-bifrost", "Where am I?").id
    soon()
    assert ask(gateway, "vk-bifrost", "Where am I?").id == kept
    gateway.process.stop()
