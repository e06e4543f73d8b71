"""Bad input from clients, operators and providers: the exact error, and the gateway goes on serving."""

import json
import socket
import urllib.parse

import pytest

from harness.gateway import hello
from harness.http import call, connect

MODEL = "openai/gpt-4o-mini"
VALID = hello(MODEL)
HTML = "<!doctype html><title>502</title><h1>Bad gateway</h1>"


@pytest.fixture(autouse=True)
def goes_on_serving(gateway, mock):
    """Whatever a test did, the next call is answered."""
    yield
    mock.reset()
    gateway.recover([MODEL])


def assert_error(answer, status, kind=None, param=None, code=None, says=""):
    """OpenAI's error shape with these values."""
    assert answer.status == status, f"{answer.status}: {answer.text[:500]}"
    assert answer.headers["content-type"].startswith("application/json")
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error), error
    assert isinstance(error["message"], str) and error["message"]
    assert says.lower() in error["message"].lower(), error["message"]
    assert kind in (None, error["type"]), error
    assert param in (None, error["param"]), error
    assert code in (None, error["code"]), error


def post(gateway, body, headers=None, path="/v1/chat/completions"):
    return call("POST", f"{gateway.url}{path}", body, {"content-type": "application/json", **(headers or {})})


# --- clients -----------------------------------------------------------------------------------

BODIES = {
    "cut": (b'{"model": "openai/gpt-4o-mini", "messages": [', None),
    "empty": (b"", None),
    "no-object": (b"[1, 2]", None),
    "no-json": (b"model=gpt-4o-mini", None),
    "no-utf8": (b'{"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "\xff\xfe"}]}', None),
    "trailing": (json.dumps(VALID).encode() + b"}", None),
    "no-model": ({"messages": VALID["messages"]}, "model"),
    "empty-model": ({**VALID, "model": ""}, "model"),
    "model-a-number": ({**VALID, "model": 7}, "model"),
    "no-messages": ({"model": MODEL}, "messages"),
    "messages-a-string": ({"model": MODEL, "messages": "hello"}, "messages"),
    "no-messages-in-it": ({"model": MODEL, "messages": []}, "messages"),
    "stream-a-string": ({**VALID, "stream": "yes"}, "stream"),
    "fallbacks-a-number": ({**VALID, "fallbacks": 7}, "fallbacks"),
}


@pytest.mark.parametrize("case", BODIES)
def test_bad_bodies_are_bad_requests(gateway, mock, case):
    body, param = BODIES[case]

    assert_error(post(gateway, body), 400, "invalid_request_error", param)

    assert mock.counts() == {}


def test_deep_nesting_is_a_bad_request(gateway, mock):
    body = b'{"model": "openai/gpt-4o-mini", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    assert_error(post(gateway, body), 400, "invalid_request_error")


def test_an_announced_body_that_is_too_large_is_refused_unread(gateway):
    """The length alone is enough; nobody should have to send 300 MB to learn it."""
    address = urllib.parse.urlsplit(gateway.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: 314572800\r\n\r\n{{".encode())
        said = connection.recv(4096).decode()
    assert said.startswith("HTTP/1.1 413 "), said


@pytest.mark.parametrize("model", ["no-provider-serves-this", "nobody/gpt-4o-mini"])
def test_unknown_models_are_not_found(gateway, mock, model):
    assert_error(post(gateway, hello(model)), 404, "not_found_error", "model", says=model.split("/")[0])
    assert mock.counts() == {}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/chat/completions", 405), ("POST", "/v1/nothing", 404)]
)
def test_unknown_routes_answer_in_the_same_shape(gateway, method, path, status):
    assert_error(call(method, f"{gateway.url}{path}"), status)


@pytest.mark.parametrize("header", ["authorization", "x-bf-vk", "x-api-key", "api-key", "x-goog-api-key"])
def test_unknown_virtual_keys_are_refused_in_every_header(gateway, mock, header):
    key = "sk-bf-00000000-0000-4000-8000-000000000000"
    value = f"Bearer {key}" if header == "authorization" else key

    answer = post(gateway, VALID, {header: value})

    # Bifrost's own header keeps Bifrost's status; the SDKs' headers get the one that SDKs know.
    assert_error(answer, 403 if header == "x-bf-vk" else 401, "authentication_error")
    assert key not in answer.text, "the answer repeats the secret"
    assert mock.counts() == {}


def test_inactive_virtual_keys_are_refused(gateway, mock):
    gateway.fresh_virtual_key("vk-asleep", {"is_active": False})

    assert_error(post(gateway, VALID, {"authorization": "Bearer vk-asleep"}), 403, "permission_error", says="inactive")

    assert mock.counts() == {}


# --- operators ---------------------------------------------------------------------------------

VIRTUAL_KEYS = {
    "unknown-field": ({"budgett": {"max_limit": 1}}, "budgett"),
    "unknown-field-of-a-budget": ({"budget": {"max_limit": 1, "reset_duration": "1M", "hard": True}}, "budget.hard"),
    "unknown-field-of-a-provider-config": (
        {"provider_configs": [{"provider": "openai", "wieght": 1}]},
        "provider_configs[0].wieght",
    ),
    "unknown-provider": ({"provider_configs": [{"provider": "nobody", "weight": 1}]}, "nobody"),
    "negative-budget": ({"budget": {"max_limit": -1, "reset_duration": "1M"}}, "max_limit"),
    "budget-a-string": ({"budget": {"max_limit": "much", "reset_duration": "1M"}}, "max_limit"),
    "unreadable-duration": ({"budget": {"max_limit": 1, "reset_duration": "soon"}}, "reset_duration"),
    "negative-weight": ({"provider_configs": [{"provider": "openai", "weight": -1}]}, "weight"),
    "no-duration": ({"rate_limit": {"request_max_limit": 5}}, "request_reset_duration"),
}


@pytest.mark.parametrize("case", VIRTUAL_KEYS)
def test_bad_virtual_keys_are_refused_and_not_created(gateway, case):
    body, named = VIRTUAL_KEYS[case]
    address = f"{gateway.admin}/api/governance/virtual-keys/vk-bad-{case}"

    answer = call("PUT", address, body)

    assert_error(answer, 400, "invalid_request_error", code="invalid_request", says=named)
    assert answer.json()["error"]["param"]
    assert call("GET", address).status == 404
    refused = post(gateway, VALID, {"x-bf-vk": f"vk-bad-{case}"})
    assert refused.status in (401, 403), "a refused virtual key works"


PROVIDERS = {
    "unknown-field": ({"kees": []}, "kees"),
    "unknown-field-of-a-key": ({"keys": [{"name": "k", "value": "v", "weihgt": 1}]}, "keys[0].weihgt"),
    "unreadable-url": ({"network_config": {"base_url": "not a url"}}, "base_url"),
    "negative-time-out": ({"network_config": {"default_request_timeout_in_seconds": -1}}, "default_request_timeout"),
}


@pytest.mark.parametrize("case", PROVIDERS)
def test_bad_providers_are_refused(gateway, case):
    change, named = PROVIDERS[case]
    body = {"keys": [], "concurrency_and_buffer_size": {"concurrency": 10, "buffer_size": 10}, **change}

    answer = call("PUT", f"{gateway.admin}/api/providers/mistral", body)

    assert_error(answer, 400, "invalid_request_error", code="invalid_request", says=named)
    assert answer.json()["error"]["param"]
    assert call("GET", f"{gateway.admin}/api/providers/mistral").status == 404


def test_a_put_without_a_time_out_gives_the_default_back(gateway, mock):
    network = {"base_url": mock.base_url("openai")}
    address = f"{gateway.admin}/api/providers/openai"
    call("PUT", address, {"network_config": {**network, "default_request_timeout_in_seconds": 1, "max_retries": 2}})
    try:
        shown = call("PUT", address, {"network_config": network}).json()["network_config"]
    finally:
        gateway.put_provider("openai", mock)

    assert shown["default_request_timeout_in_seconds"] == 30
    assert shown["max_retries"] == 0


SETTINGS = {
    "no-body-at-all": ({"client_config": {"max_request_body_size_mb": 0}}, "client_config.max_request_body_size_mb"),
    "a-mask-as-password": (
        {"auth_config": {"is_enabled": True, "admin_username": "admin", "admin_password": "*" * 24}},
        "auth_config.admin_password",
    ),
    "a-slip-that-would-leave-it-open": ({"auth_config": {"is_enbled": True}}, "auth_config.is_enbled"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_would_lock_out_are_refused(gateway, mock, case):
    body, param = SETTINGS[case]

    assert_error(call("PUT", f"{gateway.admin}/api/config", body), 400, "invalid_request_error", param)

    assert post(gateway, VALID).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/nothing", 404), ("DELETE", "/api/version", 405), ("POST", "/nothing", 404), ("DELETE", "/health", 405)],
)
def test_unknown_management_routes_answer_in_the_same_shape(gateway, method, path, status):
    assert_error(call(method, f"{gateway.admin}{path}"), status)


@pytest.mark.parametrize("path", ["/api/providers/nobody", "/api/governance/virtual-keys/nobody"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_unknown_things_are_not_found(gateway, method, path):
    assert_error(call(method, f"{gateway.admin}{path}"), 404, "not_found_error", code="not_found")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b""], ids=["cut", "list", "text", "empty"])
def test_unreadable_management_bodies_are_bad_requests(gateway, body):
    answer = call("POST", f"{gateway.admin}/api/providers", body, {"content-type": "application/json"})

    assert_error(answer, 400, "invalid_request_error", code="invalid_request")


# --- providers ---------------------------------------------------------------------------------

HTML_HEADERS = {"content-type": "text/html"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [200, 502])
def test_a_provider_that_answers_html(gateway, mock, status, stream):
    mock.rule({"provider": "openai"}, status=status, headers=HTML_HEADERS, body=HTML)

    answer = post(gateway, {**VALID, "stream": stream})

    assert_error(answer, 502, "server_error")
    assert "<h1>" not in answer.json()["error"]["message"], "the client gets the page as a message"


def test_a_provider_that_answers_broken_json(gateway, mock):
    mock.rule({"provider": "openai"}, headers={"content-type": "application/json"}, body='{"choices": [')

    assert_error(post(gateway, VALID), 502, "server_error")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_provider_that_closes_without_an_answer(gateway, mock, stream):
    mock.rule({"provider": "openai"}, close_before_headers=True)

    assert_error(post(gateway, {**VALID, "stream": stream}), 502, "server_error")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_provider_that_never_answers(gateway, mock, stream):
    gateway.put_provider("openai", mock, default_request_timeout_in_seconds=1)
    try:
        mock.rule({"provider": "openai"}, never_answer=True)
        assert_error(post(gateway, {**VALID, "stream": stream}), 504, "server_error", says="time")
    finally:
        gateway.put_provider("openai", mock)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("failure", ["cut_after_events", "stream_error_after_events"])
def test_a_stream_that_dies_ends_with_an_error_frame(gateway, mock, provider, failure):
    model = {"openai": MODEL, "anthropic": "anthropic/claude-haiku-4-5", "gemini": "gemini/gemini-2.5-flash"}[provider]
    mock.rule({"provider": provider}, text="one two three four five six seven eight", **{failure: 4})
    connection, path = connect(f"{gateway.url}/v1/chat/completions", timeout=20)
    connection.request("POST", path, json.dumps(hello(model, stream=True)), {"content-type": "application/json"})

    answer = connection.getresponse()
    events = [line[6:] for line in answer.read().decode().split("\n") if line.startswith("data: ")]
    connection.close()
    mock.reset()
    gateway.recover([model])

    assert answer.status == 200
    assert "[DONE]" not in events, "a broken stream ends as if it were whole"
    error = json.loads(events[-1])["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert all("error" not in json.loads(event) for event in events[:-1]), "an `error` key ends Go's stream"
