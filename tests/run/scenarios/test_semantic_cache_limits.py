"""Whose answers are whose, and which are not kept: exact requests, through the edges of headers, keys and clears."""

import contextlib
import http.client
import json
import threading
import time

import pytest

from harness.cache import ask, clear_scope, local_engine, put_plugin, status, wait_for
from harness.gateway import hello
from harness.http import call, expect

MODEL = "openai/gpt-4o-mini"
EXACT = {"semantic_cache": {"mode": "exact"}}


@pytest.fixture
def key(gateway, request):
    """A virtual key of the test's own."""
    name = f"vk-{request.node.name}".replace("[", "-").rstrip("]").replace(" ", "-")
    gateway.put_virtual_key(name, EXACT)
    return name


def ask_with_bytes(gateway, key, question, **headers):
    """The same as `ask`, with header values that are bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    body = json.dumps(hello(MODEL, question))
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"content-type": "application/json", "x-bf-vk": key, **headers}
    connection.request("POST", "/v1/chat/completions", body, sent)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    return answer.getheader("cache-status")


def test_a_cache_key_in_any_letters_divides(gateway, key):
    names = ["kunde-müller", "kunde-möller", "客户"]
    for name in names:
        assert "fwd=miss" in ask_with_bytes(gateway, key, "What do I owe?", x_bf_cache_key=name.encode())
    # The same letters in ISO-8859-1 and in UTF-8.
    for name in [b"\xfc", b"\xc3\xbc"]:
        assert "fwd=miss" in ask_with_bytes(gateway, key, "What do I owe?", x_bf_cache_key=name)
    assert not ask(gateway, key, "What do I owe?").is_hit
    for name in names:
        assert "; hit" in ask_with_bytes(gateway, key, "What do I owe?", x_bf_cache_key=name.encode())


def test_the_answers_of_a_virtual_key_go_with_it(gateway, key):
    ask(gateway, key, "What is our discount?")
    assert ask(gateway, key, "What is our discount?").is_hit

    assert gateway.delete_virtual_key(key).status == 200
    gateway.put_virtual_key(key, EXACT)

    assert not ask(gateway, key, "What is our discount?").is_hit


@contextlib.contextmanager
def asking(gateway, mock, key, question):
    """While somebody waits for the answer to a question."""
    mock.rule({"provider": "openai"}, times=1, delay_headers_ms=1200)
    thread = threading.Thread(target=ask, args=(gateway, key, question))
    thread.start()
    wait_for(lambda: mock.counts().get("openai"), "the request at the provider")
    yield
    thread.join()


def test_an_answer_that_was_asked_for_before_a_clear_is_not_kept(gateway, mock, key):
    with asking(gateway, mock, key, "Is the shop open?"):
        clear_scope(gateway, f"virtual_key:{key}")

    assert not ask(gateway, key, "Is the shop open?").is_hit
    assert ask(gateway, key, "Is the shop open?").is_hit


@pytest.mark.parametrize("value", ["true", "True", "1", "yes"])
def test_no_store_is_believed_in_every_spelling(gateway, key, value):
    ask(gateway, key, "What is my balance?", headers={"x-bf-cache-no-store": value})
    assert not ask(gateway, key, "What is my balance?").is_hit


@pytest.mark.parametrize("value", ["false", "0", ""])
def test_no_store_can_be_said_not_to_be_meant(gateway, key, value):
    ask(gateway, key, "What is my balance?", headers={"x-bf-cache-no-store": value})
    assert ask(gateway, key, "What is my balance?").is_hit


@pytest.mark.parametrize("value", ["0", "-5", "0s"])
def test_what_is_to_live_for_no_time_is_not_kept(gateway, key, value):
    ask(gateway, key, "What is the time?", headers={"x-bf-cache-ttl": value})
    assert not ask(gateway, key, "What is the time?").is_hit


def test_deleting_one_virtual_key_costs_no_other_its_answers(gateway, mock, key):
    with asking(gateway, mock, key, "Is the shop open?"):
        gateway.put_virtual_key("vk-short-lived", EXACT)
        assert gateway.delete_virtual_key("vk-short-lived").status == 200

    assert ask(gateway, key, "Is the shop open?").is_hit


def ask_together(gateway, key, question, count, mock, meanwhile=lambda: None):
    """How many identical requests were answered when the last of them came to the provider. All but one begin when
    that one is there; `meanwhile` they wait."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(gateway.chat(question, key))) for _ in range(count)]
    threads[0].start()
    wait_for(lambda: mock.counts().get("openai"), "the request at the provider")
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.4)
    meanwhile()
    wait_for(lambda: mock.counts()["openai"] >= count, "all requests at the provider")
    answered = len(answers)
    for thread in threads:
        thread.join()
    assert len(answers) == count
    return answered


@pytest.mark.parametrize("reply", [
    {"text": "x" * 1_200_000},
    {"status": 500},
    {"finish_reason": "content_filter"},
], ids=["too-large", "error", "not-for-others"])  # fmt: skip
def test_those_who_wait_in_vain_do_not_go_one_after_the_other(gateway, mock, key, reply):
    mock.rule({"provider": "openai"}, delay_headers_ms=1500, **reply)
    # One after the other it would be five.
    assert ask_together(gateway, key, hello(MODEL, "What is new?"), 6, mock) == 1


def test_those_who_wait_for_what_is_cleared_do_not_go_one_after_the_other(gateway, mock, key):
    mock.rule({"provider": "openai"}, delay_headers_ms=1500)

    def meanwhile():
        clear_scope(gateway, f"virtual_key:{key}")

    assert ask_together(gateway, key, hello(MODEL, "What is new?"), 6, mock, meanwhile) == 1


def test_one_goes_on_when_the_one_that_others_wait_for_leaves(gateway, mock, key):
    mock.rule({"provider": "openai"}, times=2, delay_headers_ms=1500)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    connection.request("POST", "/v1/chat/completions", json.dumps(hello(MODEL, "What is new?")),
                       {"content-type": "application/json", "x-bf-vk": key})
    wait_for(lambda: mock.counts().get("openai"), "the request at the provider")
    answers = []
    waiting = [threading.Thread(target=lambda: answers.append(ask(gateway, key, "What is new?"))) for _ in range(12)]
    for thread in waiting:
        thread.start()
    time.sleep(0.4)

    connection.close()
    for thread in waiting:
        thread.join()

    assert len({answer.id for answer in answers}) == 1
    assert mock.counts() == {"openai": 2}


def test_what_was_cleared_leaves_the_journal(world, mock):
    gateway = world.start_gateway("erased")
    gateway.set_up(mock)
    gateway.put_virtual_key("vk-erased", EXACT)
    secret = "My password is hunter2XYZ, is it good?"
    ask(gateway, "vk-erased", secret)
    ask(gateway, "vk-erased", secret)
    journal = world.dir / "erased" / "cache.journal"
    wait_for(lambda: b"hunter2XYZ" in journal.read_bytes(), "the entry in the journal")

    clear_scope(gateway, "virtual_key:vk-erased")
    wait_for(lambda: b"hunter2XYZ" not in journal.read_bytes(), "the text to go")
    gateway.process.stop()


@pytest.mark.parametrize("config, problem", [
    ({"dimension": 100}, "dimension"),
    ({"provider": "nosuch", "embedding_model": "x"}, "nosuch"),
])  # fmt: skip
def test_a_layer_that_cannot_work_is_not_called_healthy(gateway, model, config, problem):
    gateway.put_virtual_key("vk-unhealthy", {"semantic_cache": True})
    put_plugin(gateway, **{**local_engine(), **config})
    said = wait_for(lambda: status(gateway).get("embedding_problem"), "a problem in /api/cache")
    wait_for(lambda: problem in status(gateway)["embedding_problem"], said)
    gateway.delete_virtual_key("vk-unhealthy")


def test_a_judge_that_is_not_there_is_a_warning(gateway):
    config = {"judge_model": "nosuch/x", "judge_threshold": 0.3}
    answer = expect("PUT", f"{gateway.admin}/api/plugins/semantic_cache", {"enabled": True, "config": config})
    assert "nosuch" in answer.json()["warnings"][0]
    put_plugin(gateway)
