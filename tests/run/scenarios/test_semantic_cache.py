"""The semantic cache with the engine inside of the gateway: what is served, what is not, and why."""

import contextlib
import itertools
import os
import shutil
import tempfile
import time
from pathlib import Path

import openai
import pytest

from harness.cache import (
    ARTICLE, MODEL, PARAPHRASES, TRAPS, ask, clear_scope, entries, local_engine, put_embedder,
    put_key, put_plugin, report, status, wait_for,
)  # fmt: skip
from harness.gateway import hello
from harness.http import call

JUDGE = "gemini/gemini-2.5-flash"
NUMBER = itertools.count()


@pytest.fixture
def gateway(gateway, model):
    put_plugin(gateway, **local_engine())
    return gateway


@pytest.fixture
def key(gateway):
    """A virtual key with one switch on, and nobody's answers yet."""
    return put_key(gateway, f"vk-{next(NUMBER)}")


@pytest.mark.parametrize("folder", ["environment", "app-dir", "binary"])
def test_one_switch_is_enough(world, mock, model, folder):
    """No plugin is configured: the model is named by the environment, or lies in the app-dir or beside the binary."""
    app_dir = f"switch-{folder}"
    env = {"TOLLBRIDGE_EMBEDDING_MODEL": str(model)} if folder == "environment" else {}
    if folder == "app-dir":
        (world.dir / app_dir).mkdir()
        (world.dir / app_dir / "embedding-model").symlink_to(model)
    with binary_beside(world, model if folder == "binary" else None):
        gateway = world.start_gateway(app_dir, **env)
    gateway.set_up(mock)
    put_key(gateway, "vk-switch")
    asked, stored = PARAPHRASES[0]
    kept = ask(gateway, "vk-switch", stored)
    hit = ask(gateway, "vk-switch", asked)
    assert hit.is_hit and hit.id == kept.id
    gateway.process.stop()


def test_the_operators_own_model_comes_before_the_one_beside_the_binary(world, model):
    (world.dir / "own" / "embedding-model").mkdir(parents=True)
    with binary_beside(world, model):
        gateway = world.start_gateway("own")
    gateway.put_virtual_key("vk-own", {"semantic_cache": True})
    problem = f"{world.dir}/own/embedding-model/modules.json: cannot be read"
    wait_for(lambda: (status(gateway)["embedding_problem"] or "").startswith(problem), problem)
    (world.dir / "own" / "embedding-model").rmdir()
    # A change of the configuration has it looked for anew.
    gateway.put_virtual_key("vk-other", {"semantic_cache": True})
    wait_for(lambda: status(gateway)["embedding_model"], "the model beside the binary")
    gateway.process.stop()


def test_a_model_that_nobody_needs_yet_is_not_loaded(world, mock, model):
    with binary_beside(world, model):
        gateway = world.start_gateway("idle")
        folder = Path(world.gateway_bin).parent / "embedding-model"
    gateway.set_up(mock)
    reason = f"the embedding model at {folder} is loaded once similar questions are looked for"
    assert status(gateway)["embedding_problem"] == reason
    put_plugin(gateway, mode="exact")
    gateway.put_virtual_key("vk-exact", {"semantic_cache": True})
    asked, stored = PARAPHRASES[0]
    kept = ask(gateway, "vk-exact", stored)
    assert ask(gateway, "vk-exact", stored).id == kept.id
    assert ask(gateway, "vk-exact", asked).id != kept.id
    assert status(gateway)["embedding_model"] is None and status(gateway)["embedding_problem"] == reason
    put_plugin(gateway, mode="exact", dimension=1)
    assert status(gateway)["embedding_problem"] == "`dimension` is 1: exact hits only"
    put_plugin(gateway, mode="exact")
    put_key(gateway, "vk-similar", {"mode": "semantic"})
    assert status(gateway)["embedding_problem"] is None
    gateway.process.stop()


def test_vectors_of_another_model_are_none_of_ones_own(world, mock, model):
    """The operator puts another model, whose vectors are as long, where the one before was."""
    folder = world.dir / "replaced" / "embedding-model"
    shutil.copytree(model, folder, copy_function=os.symlink)
    gateway = world.start_gateway("replaced")
    gateway.set_up(mock)
    put_key(gateway, "vk-replaced")
    name = status(gateway)["embedding_model"]
    asked, stored = PARAPHRASES[0]
    first = ask(gateway, "vk-replaced", stored)
    gateway.process.stop()
    gateway = world.start_gateway("replaced")
    wait_for(lambda: status(gateway)["embedding_model"], "an embedding model")
    assert ask(gateway, "vk-replaced", asked).id == first.id
    gateway.process.stop()
    pooling = folder / "1_Pooling" / "config.json"
    pooling.unlink()
    pooling.write_text('{"pooling_mode": "cls"}')
    gateway = world.start_gateway("replaced")
    wait_for(lambda: status(gateway)["embedding_model"], "an embedding model")
    assert status(gateway)["embedding_model"] != name
    other = ask(gateway, "vk-replaced", asked)
    assert not other.is_hit and other.similarity is None
    assert ask(gateway, "vk-replaced", stored).id == first.id, "exact hits need no vector"
    gateway.process.stop()


@contextlib.contextmanager
def binary_beside(world, model):
    """Starts what is started meanwhile as a copy of the binary that lies beside this model, if there is one."""
    binary = world.gateway_bin
    if model:
        folder = Path(tempfile.mkdtemp(dir=world.dir))
        (folder / "embedding-model").symlink_to(model)
        world.gateway_bin = shutil.copy(binary, folder)
    try:
        yield
    finally:
        world.gateway_bin = binary


@pytest.mark.parametrize(("asked", "stored"), PARAPHRASES)
def test_a_paraphrase_is_answered_from_the_cache(gateway, mock, key, asked, stored):
    kept = ask(gateway, key, stored)
    assert kept.cache_status == "tollbridge; fwd=miss"
    hit = ask(gateway, key, asked)
    assert hit.id == kept.id
    assert hit.debug["cache_hit"] and hit.debug["hit_type"] == "semantic" and not hit.debug["judged"]
    assert hit.debug["provider_used"] == "local" and hit.debug["threshold"] == 0.8
    assert 0.8 <= hit.similarity <= 1
    assert hit.cache_status.endswith(f"; detail=semantic-{hit.similarity:.3f}")
    assert len(mock.received()) == 1
    assert gateway.metrics().sum("bifrost_cache_hits_total", cache_type="semantic", virtual_key_id=key) == 1


@pytest.mark.parametrize(("one", "other", "reason"), TRAPS)
def test_a_trap_is_asked_anew_and_says_why(gateway, mock, key, one, other, reason):
    for stored, asked in [(one, other), (other, one)]:
        ask(gateway, key, stored, seed=len(stored))
        trapped = ask(gateway, key, asked, seed=len(stored))
        assert trapped.similarity >= 0.85, "no trap"
        assert trapped.debug["cache_hit"] is False
        assert trapped.debug["rejected"] == reason
        assert trapped.cache_status == f"tollbridge; fwd=miss; detail={reason}"
    assert len(mock.received()) == 4


@pytest.mark.parametrize("stored_as_stream", [False, True])
@pytest.mark.parametrize("asked_as_stream", [False, True])
def test_the_official_sdk_gets_it_streamed_and_not(gateway, mock, key, stored_as_stream, asked_as_stream):
    mock.rule({"provider": "openai"}, text="You can do that in your account.")
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
    asked, stored = PARAPHRASES[0]
    first, second = sdk_ask(client, stored, stored_as_stream), sdk_ask(client, asked, asked_as_stream)
    assert first[0] == second[0] == "You can do that in your account."
    assert "cache_debug" not in first[1] or not first[1]["cache_debug"]["cache_hit"]
    assert second[1]["cache_debug"]["hit_type"] == "semantic"
    assert len(mock.received()) == 1
    # A trap is none in either form.
    trap = sdk_ask(client, f"{asked[:-1]} without a fee?", asked_as_stream)
    assert not trap[1]["cache_debug"]["cache_hit"]
    assert len(mock.received()) == 2


def sdk_ask(client, question, stream):
    """The text, and the last `extra_fields` that was said."""
    request = hello(MODEL.removeprefix("openai/"), question)
    if not stream:
        answer = client.chat.completions.create(**request)
        return answer.choices[0].message.content, answer.model_extra["extra_fields"]
    text, extra = "", {}
    for chunk in client.chat.completions.create(**request, stream=True):
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        extra = (chunk.model_extra or {}).get("extra_fields") or extra
    return text, extra


# --- the article's pair, and the judge ---------------------------------------------------------


def test_the_articles_pair_is_no_hit_by_itself(gateway, mock, key):
    stored, asked = ARTICLE
    ask(gateway, key, stored)
    assert not ask(gateway, key, asked).is_hit
    anything = {"x-bf-cache-threshold": "0.1", "x-bf-cache-no-store": "true"}
    low = ask(gateway, key, asked, headers={**anything, "x-bf-cache-type": "semantic"})
    assert low.similarity == pytest.approx(1, abs=1e-3), "it has been kept meanwhile"


@pytest.mark.parametrize(("verdict", "served"), [("YES", True), ("NO", False), ("It depends.", False)])
def test_the_articles_pair_hits_when_the_judge_says_so(gateway, mock, key, verdict, served):
    put_plugin(gateway, **local_engine(judge_model=JUDGE))
    mock.rule({"provider": "gemini"}, text=verdict)
    stored, asked = ARTICLE
    kept = ask(gateway, key, stored)
    assert mock.counts() == {"openai": 1}, "there was nothing to judge"
    answer = ask(gateway, key, asked)
    assert answer.is_hit == served and (answer.id == kept.id) == served
    assert answer.similarity == pytest.approx(0.36, abs=0.01)
    if served:
        assert answer.debug["judged"] and f"; detail=judged-{answer.similarity:.3f}" in answer.cache_status
    else:
        assert answer.debug["rejected"] == "judge" and answer.cache_status.endswith("detail=judge")
    assert mock.counts() == {"openai": 1 if served else 2, "gemini": 1}


@pytest.mark.parametrize("failure", [{"status": 500}, {"close_before_headers": True}, {"never_answer": True}])
def test_a_judge_that_fails_is_a_miss_in_bounded_time(gateway, mock, key, failure):
    put_plugin(gateway, **local_engine(judge_model=JUDGE))
    mock.rule({"provider": "gemini"}, **failure)
    stored, asked = ARTICLE
    ask(gateway, key, stored)
    since = time.monotonic()
    assert not ask(gateway, key, asked).is_hit
    assert time.monotonic() - since < 5
    assert mock.counts()["openai"] == 2


def test_nobody_is_asked_below_the_judges_threshold_nor_of_what_the_guard_rejects(gateway, mock, key):
    put_plugin(gateway, **local_engine(judge_model=JUDGE, judge_threshold=0.5))
    mock.rule({"provider": "gemini"}, text="YES")
    stored, asked = ARTICLE
    one, other, _reason = TRAPS[0]
    for question in [stored, asked, one, other]:
        assert not ask(gateway, key, question).is_hit
    assert mock.counts() == {"openai": 4}


# --- shadow mode -------------------------------------------------------------------------------


def test_shadow_mode_grades_and_serves_nothing(world, mock, model):
    """22 right ones by the answer itself, one wrong one by the judge, one trap that the guard sees."""
    gateway = world.start_gateway("shadow")
    gateway.set_up(mock)
    put_plugin(gateway, **local_engine(mode="shadow", judge_model=JUDGE))
    mock.rule({"provider": "gemini"}, text="NO")
    mock.rule({"body_contains": "subscription"}, text="In your account.")
    mock.rule({"body_contains": "money"}, text="It depends.")
    mock.rule({"body_contains": "refund"}, text="Never.")
    mock.rule({"body_contains": "not cancel"}, text="It is kept.")
    asked, stored = PARAPHRASES[0]
    # Alike, let pass by the guard, and answered differently: about 0.6.
    alike = ("How can I get my money back?", "How do I get a refund?")
    for number, questions in enumerate([(stored, asked)] * 22 + [alike, TRAPS[0][:2]]):
        key = put_key(gateway, f"vk-shadow-{number}")
        for question in questions:
            assert ask(gateway, key, question).cache_status.startswith("tollbridge; fwd=miss")
    assert mock.counts()["openai"] == 48
    graded = wait_for_grades(gateway, 24)
    assert graded["graded"] == 24 - 1, "the guard's trap counts only without the guard"
    at = {row["threshold"]: row for row in graded["thresholds"]}
    assert (at[0.5]["hits"], at[0.5]["false_hits"]) == (23, 1)
    assert at[0.5]["false_hit_rate"] == pytest.approx(1 / 23)
    assert (at[0.9]["hits"], at[0.9]["false_hits"], at[0.9]["false_hit_rate"]) == (22, 0, 0)
    assert (at[0.9]["hits_unguarded"], at[0.9]["false_hits_unguarded"]) == (23, 1)
    assert 0.5 < graded["suggested_threshold"] <= 0.8
    said = status(gateway)
    assert said["exact_hits"] == said["semantic_hits"] == 0 and said["would_be_hits"] == 22
    assert said["suggested_threshold"] == graded["suggested_threshold"]
    gateway.process.stop()
    again = world.start_gateway("shadow")
    assert report(again) == graded, "grades survive a restart"


def test_shadow_mode_grades_by_a_stream_that_is_not_to_be_kept(world, mock, model):
    gateway = world.start_gateway("shadow-stream")
    gateway.set_up(mock)
    put_plugin(gateway, **local_engine(mode="shadow"))
    put_key(gateway, "vk-shadow")
    asked, stored = PARAPHRASES[0]
    ask(gateway, "vk-shadow", stored)
    client = openai.OpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0,
                           default_headers={"x-bf-vk": "vk-shadow", "x-bf-cache-no-store": "true"})
    assert sdk_ask(client, asked, True)[0]
    assert wait_for_grades(gateway, 1)["graded"] == 1
    assert entries(gateway) == 1
    gateway.process.stop()


def wait_for_grades(gateway, count):
    deadline = time.monotonic() + 20
    while True:
        said = report(gateway)
        if said["thresholds"][0]["hits_unguarded"] >= count:
            return said
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


# --- restarts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
def test_entries_survive_a_restart_without_being_embedded_again(world, mock, embeddings, end):
    gateway = world.start_gateway(f"restart-{end}")
    gateway.set_up(mock)
    put_embedder(gateway, embeddings.url)
    put_plugin(gateway, provider="embedder", embedding_model="all-MiniLM-L6-v2")
    put_key(gateway, "vk-kept")
    kept = [ask(gateway, "vk-kept", stored).id for _asked, stored in PARAPHRASES]
    embedded = embeddings.count()
    if end == "SIGTERM":
        gateway.process.stop()
    else:
        time.sleep(1.1)
        gateway.process.kill()

    again = world.start_gateway(f"restart-{end}")

    assert entries(again) == len(kept)
    exact = [ask(again, "vk-kept", stored) for _asked, stored in PARAPHRASES]
    assert [answer.id for answer in exact] == kept and all(answer.is_hit for answer in exact)
    assert embeddings.count() == embedded
    similar = [ask(again, "vk-kept", asked) for asked, _stored in PARAPHRASES]
    assert [answer.id for answer in similar] == kept
    assert embeddings.count() == embedded + len(kept), "the questions asked now, and nothing else"
    assert mock.counts() == {"openai": len(kept)}
    again.process.stop()


def test_what_was_cleared_is_not_back_after_a_kill(world, mock):
    gateway = world.start_gateway("cleared")
    gateway.set_up(mock)
    gateway.put_virtual_key("vk-cleared", {"semantic_cache": {"mode": "exact"}})
    question = "Which bus goes to the airport?"
    ask(gateway, "vk-cleared", question)
    assert ask(gateway, "vk-cleared", question).is_hit
    journal = world.dir / "cleared" / "cache.journal"
    wait_for(lambda: question.encode() in journal.read_bytes(), "the entry in the journal")

    assert clear_scope(gateway, "virtual_key:vk-cleared") == 1
    gateway.process.kill()

    again = world.start_gateway("cleared")
    assert entries(again) == 0
    assert not ask(again, "vk-cleared", question).is_hit
    again.process.stop()


def test_a_clear_that_may_be_undone_by_a_restart_is_an_error(world):
    (world.dir / "unwritten" / "cache.journal").mkdir(parents=True)
    gateway = world.start_gateway("unwritten")

    answer = call("DELETE", f"{gateway.admin}/api/cache/clear")

    assert (answer.status, answer.json()["error"]["code"]) == (500, "not_written")
    assert "cache.journal" in answer.json()["error"]["message"]
    gateway.process.stop()
