"""Counters survive: exactly over a stop, to the last second over a crash."""

import http.client
import threading
import time

import pytest

from harness.gateway import hello
from harness.processes import World

USAGE = {"input_tokens": 1_000_000, "output_tokens": 100_000}
ONE_CALL = 0.15 + 0.06
KEY = {"budget": {"max_limit": 100_000, "reset_duration": "1M"}}


@pytest.fixture
def world(world):
    """A world of its own for every test, for each of them ends its gateway."""
    with World() as own:
        own.start_mock()
        yield own


@pytest.fixture
def gateway(world):
    world.mock.rule({"provider": "openai"}, text="Done.", usage=USAGE)
    gateway = world.start_gateway()
    gateway.set_up(world.mock)
    gateway.put_virtual_key("vk-counted", KEY)
    return gateway


def keep_calling(gateway, stop, answered):
    """Calls until told to stop or the gateway is gone; notes when each answer came."""
    while not stop.is_set():
        try:
            if gateway.chat(hello("openai/gpt-4o-mini"), "vk-counted").status == 200:
                answered.append(time.monotonic())
        except (OSError, http.client.HTTPException):
            return
        time.sleep(0.005)


def test_kill_9_loses_one_second_at_most(world, gateway):
    stop, answered = threading.Event(), []
    callers = [threading.Thread(target=keep_calling, args=(gateway, stop, answered)) for _ in range(4)]
    for caller in callers:
        caller.start()
    time.sleep(4)
    gateway.process.kill()
    killed = time.monotonic()
    stop.set()
    for caller in callers:
        caller.join(30)

    again = world.start_gateway()

    received = world.mock.counts()["openai"]
    safe = sum(moment <= killed - 1.0 for moment in answered)
    counted = again.spent("vk-counted") / ONE_CALL
    assert safe > 50, "too few calls for this test to mean anything"
    assert counted <= received + 0.001, f"{counted} calls counted, the provider received {received}"
    assert counted >= safe - 0.001, f"{counted} calls counted, {safe} were answered a second before the crash"
    assert again.chat(hello("openai/gpt-4o-mini"), "vk-counted").status == 200


def test_a_stop_loses_nothing(world, gateway):
    for _ in range(50):
        assert gateway.chat(hello("openai/gpt-4o-mini"), "vk-counted").status == 200
    gateway.process.stop()

    again = world.start_gateway()

    assert world.mock.counts()["openai"] == 50
    assert again.spent("vk-counted") == pytest.approx(50 * ONE_CALL)


def test_counters_are_not_counted_twice_over_several_crashes(world, gateway):
    for round_ in range(1, 4):
        for _ in range(10):
            assert gateway.chat(hello("openai/gpt-4o-mini"), "vk-counted").status == 200
        time.sleep(1.5)
        gateway.process.kill()
        gateway = world.start_gateway()
        assert gateway.spent("vk-counted") == pytest.approx(10 * round_ * ONE_CALL)


def test_a_log_that_cannot_be_written_costs_no_answers(world):
    (world.dir / "no-log.log").symlink_to("/dev/full")
    gateway = world.start_gateway("no-log")
    gateway.set_up(world.mock)

    assert gateway.chat(hello("openai/gpt-4o-mini")).status == 200

    gateway.process.stop()
    assert gateway.process.child.returncode == 0
