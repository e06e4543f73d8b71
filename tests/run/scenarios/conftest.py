"""A mock provider and a gateway of their own for every file of scenarios."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.processes import World  # noqa: E402
from harness.stores import EmbeddingServer, Missing, Postgres, Redis, model_folder  # noqa: E402


def started(make):
    """What `make` starts; a test that misses it is left out, or fails with CI=true."""
    try:
        return make()
    except Missing as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))


def closing(make):
    server = started(make)
    yield server
    server.close()


@pytest.fixture(scope="session")
def model():
    """The folder of the embedding model."""
    return started(model_folder)


@pytest.fixture(scope="module")
def postgres():
    yield from closing(Postgres)


@pytest.fixture(scope="module")
def redis():
    yield from closing(Redis)


@pytest.fixture(scope="module")
def embeddings(model):
    """OpenAI's embeddings over the same model."""
    yield from closing(EmbeddingServer)


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
