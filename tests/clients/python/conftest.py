"""Fixtures: the mock, the gateway if there is one, the provider asked, the client asking."""

import os

os.environ.setdefault("NO_PROXY", "127.0.0.1,localhost")

import pytest  # noqa: E402

import support  # noqa: E402
from harness.gateway import PROVIDERS, Gateway  # noqa: E402
from harness.mock import Mock  # noqa: E402


def pytest_collection_modifyitems(items):
    if support.GATEWAY_URL:
        return
    for item in items:
        provider = getattr(item, "callspec", None) and item.callspec.params.get("target")
        if item.get_closest_marker("gateway") or provider not in (None, "openai"):
            item.add_marker(pytest.mark.skip(reason="needs the gateway (GATEWAY_URL)"))


def pytest_report_header():
    return f"asking {support.BASE_URL}, openai {support.openai.__version__}"


@pytest.fixture(scope="session")
def mock_server():
    return Mock(support.MOCK_URL)


@pytest.fixture(scope="session")
def gateway_server(mock_server):
    """The gateway with its three providers set up, or None."""
    if not support.GATEWAY_URL:
        return None
    gateway = Gateway(support.GATEWAY_URL, support.GATEWAY_ADMIN)
    gateway.set_up(mock_server)
    return gateway


@pytest.fixture(autouse=True)
def mock(mock_server, gateway_server):
    """The mock with nothing scripted and nothing received."""
    mock_server.reset()
    yield mock_server
    mock_server.reset()


@pytest.fixture
def gateway(gateway_server, mock):
    return gateway_server


@pytest.fixture
def configure(gateway, mock):
    """Replaces one provider's configuration for this test."""
    changed = []

    def put(provider, keys=None, **network):
        changed.append(provider)
        gateway.put_provider(provider, mock, keys, **network)

    yield put
    for provider in changed:
        gateway.put_provider(provider, mock)


@pytest.fixture
def failing(gateway, mock):
    """Scripts failures of a provider; afterwards waits until the gateway trusts it again."""
    failed = set()

    def fail(provider, times=None, **reply):
        failed.add(provider)
        mock.rule({"provider": provider}, times, **reply)

    yield fail
    mock.forget_rules()
    if gateway and failed:
        gateway.recover([support.target(provider).model for provider in failed])


@pytest.fixture
def virtual_key(gateway):
    """Creates virtual keys which are gone after the test."""
    made = []

    def put(key_id, body):
        made.append(key_id)
        return gateway.fresh_virtual_key(key_id, body)

    yield put
    for key_id in made:
        gateway.delete_virtual_key(key_id)


@pytest.fixture(params=PROVIDERS)
def target(request):
    """Each of the three providers in turn."""
    return support.target(request.param)


@pytest.fixture(params=["sync", "async"])
def mode(request):
    return request.param


@pytest.fixture
def new_caller(mode):
    """Makes clients of the test's mode."""
    made = []

    def make(**options):
        made.append(support.Caller(mode, **options))
        return made[-1]

    yield make
    for caller in made:
        caller.close()


@pytest.fixture
def caller(new_caller):
    return new_caller()
