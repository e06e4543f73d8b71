"""Budgets under concurrency: neither overshot nor filled by holds."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness.gateway import hello

# US dollars per token: gpt-4o-mini, and o1, whose answers are a hundred times as dear.
MINI_INPUT, MINI_OUTPUT = 0.15e-6, 0.60e-6
O1_INPUT, O1_OUTPUT = 15e-6, 60e-6


def test_two_hundred_calls_at_once_overshoot_by_one_at_most(gateway, mock):
    """Each call costs a hundredth of the budget, all arrive before the first is answered."""
    tokens = 15_000
    one_call = 10 * MINI_INPUT + tokens * MINI_OUTPUT
    limit = 100 * one_call
    gateway.fresh_virtual_key("vk-rush", {"budget": {"max_limit": limit, "reset_duration": "1M"}})
    usage = {"input_tokens": 10, "output_tokens": tokens}
    mock.rule({"provider": "openai"}, text="Done.", usage=usage, delay_headers_ms=500)
    body = hello("openai/gpt-4o-mini", max_tokens=tokens)
    gate = threading.Barrier(200)

    def one(_):
        gate.wait(30)
        return gateway.chat(body, "vk-rush", timeout=60).status

    with ThreadPoolExecutor(200) as threads:
        statuses = list(threads.map(one, range(200)))

    admitted = mock.counts()["openai"]
    assert set(statuses) <= {200, 402, 429}
    assert statuses.count(200) == admitted
    assert admitted * one_call <= limit + one_call * 1.001, f"{admitted} calls were admitted of 100"
    assert admitted >= 90, f"only {admitted} of 100 affordable calls were admitted"
    assert abs(gateway.spent("vk-rush") - admitted * one_call) < one_call * 0.01


def test_holds_do_not_starve_callers_whose_real_spend_is_low(gateway, mock):
    """Twenty agents ask for 32,000 tokens each and use few: the worst case is well over the budget."""
    usage = {"input_tokens": 10, "output_tokens": 500}
    one_call = 10 * O1_INPUT + 500 * O1_OUTPUT
    assert 20 * 32_000 * O1_OUTPUT > 25, "the model is too cheap for this test"
    gateway.fresh_virtual_key("vk-agents", {"budget": {"max_limit": 25, "reset_duration": "1M"}})
    mock.rule({"provider": "openai"}, text="Done.", usage=usage, delay_headers_ms=40)
    body = hello("openai/o1", max_tokens=32_000)
    spent, refused_at, lock = [0.0], [], threading.Lock()
    deadline = time.monotonic() + 120

    def agent(_):
        while time.monotonic() < deadline:
            status = gateway.chat(body, "vk-agents", timeout=60).status
            with lock:
                if status != 200:
                    refused_at.append((spent[0], status))
                    return
                spent[0] += one_call

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(agent, range(20)))

    assert len(refused_at) == 20, f"the budget never closed; {spent[0]} dollars were spent"
    first, status = min(refused_at)
    assert status in (402, 429)
    assert first > 24, f"a caller was refused when {first} of 25 dollars were spent"
    assert spent[0] <= 25 + one_call
