"""A mock provider and a gateway of their own for every file of scenarios."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.processes import World  # noqa: E402


@pytest.fixture(scope="module")
def world():
    """An empty world; TOLLBRIDGE_BIN and MOCK_PROVIDER_BIN name the programs."""
    missing = [name for name in ("TOLLBRIDGE_BIN", "MOCK_PROVIDER_BIN") if not os.environ.get(name)]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not set")
    with World() as world:
        world.start_mock()
        yield world


@pytest.fixture(scope="module")
def gateway_server(world):
    gateway = world.start_gateway()
    gateway.set_up(world.mock)
    return gateway


@pytest.fixture
def mock(world):
    world.mock.reset()
    yield world.mock
    world.mock.reset()


@pytest.fixture
def gateway(gateway_server, mock):
    return gateway_server
