"""The seven examples of the article, as printed, through the official SDK and curl.

Shares are judged on 2,000 requests within three points. Where such a sample falls outside, which
an exact split does once in a hundred runs, a second one of the same size is added and the sum judged.
"""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from harness.gateway import hello
from harness.http import call, expect
from support import GATEWAY_ADMIN, GATEWAY_URL, Caller, assert_openai_error, curl, extra_fields

pytestmark = [pytest.mark.gateway, pytest.mark.timeout(300)]

SMALL = "gpt-4o-mini"
REQUESTS, TOLERANCE = 2000, 0.03

THREE_PROVIDERS = {
    "provider_configs": [
        {"provider": "openai", "weight": 0.5, "allowed_models": ["gpt-4o-mini"]},
        {"provider": "anthropic", "weight": 0.3, "allowed_models": ["claude-3-5-haiku-20241022"]},
        {"provider": "google", "weight": 0.2, "allowed_models": ["gemini-1.5-flash"]},
    ]
}
WITH_BACKUP = {"provider_configs": [{"provider": "openai", "weight": 0.8}, {"provider": "anthropic", "weight": 0.2}]}
BUDGETS = {
    "budget": {"max_limit": 1000, "reset_duration": "1M"},
    "rate_limit": {"request_max_limit": 10000, "request_reset_duration": "1h"},
    "provider_configs": [
        {"provider": "openai", "weight": 0.8, "budget": {"max_limit": 600, "reset_duration": "1M"}},
        {"provider": "anthropic", "weight": 0.2, "budget": {"max_limit": 300, "reset_duration": "1M"}},
    ],
}

# Input tokens that cost a hundred dollars, at 0.15 and 0.80 dollars per million.
HUNDRED_DOLLARS = {"openai": 666_666_667, "anthropic": 125_000_000}
BACKUP_MODEL = "claude-3-5-haiku-20241022"


def send(count, api_key, model):
    """Sends `count` requests, a quarter each: sync and async, streamed and not. Any failure is raised."""
    one_form = count // 4
    with ThreadPoolExecutor(4) as forms:
        done = [
            forms.submit(send_one_form, one_form, api_key, model, mode, stream)
            for mode in ("sync", "async")
            for stream in (False, True)
        ]
        for form in done:
            form.result()


def send_one_form(count, api_key, model, mode, stream):
    caller = Caller(mode, api_key=api_key)
    try:
        for _ in range(count):
            answered = caller.chunks(model) if stream else caller.chat(model).choices
            assert answered
    finally:
        caller.close()


def assert_shares(count, expected, what):
    """`count()` sends one sample and answers how many requests each name has received in all."""
    for sample in (1, 2):
        counted = count()
        total = sum(counted.values())
        assert total == REQUESTS * sample, f"{total} requests arrived of {REQUESTS * sample}"
        shares = {name: counted.get(name, 0) / total for name in expected}
        if all(abs(shares[name] - share) <= TOLERANCE for name, share in expected.items()):
            return
    raise AssertionError(f"{what} after {total} requests: {shares}, expected {expected}")


@pytest.fixture
def three_keys(gateway, mock):
    """Takes OpenAI away, so that the article's POST can create it; puts the usual one back."""
    gateway.delete_provider("openai")
    yield {
        "provider": "openai",
        "keys": [
            {"name": "key-1", "value": "sk-1...", "weight": 0.33},
            {"name": "key-2", "value": "sk-2...", "weight": 0.33},
            {"name": "key-3", "value": "sk-3...", "weight": 0.34},
        ],
        "network_config": {"base_url": mock.base_url("openai")},
    }
    gateway.delete_provider("openai")
    gateway.put_provider("openai", mock)


def test_example_1_three_keys_share_by_weight(mock, three_keys):
    curl_post("/api/providers", three_keys)

    def count():
        send(REQUESTS, "sk-no-virtual-key", f"openai/{SMALL}")
        return {key: n for (provider, key), n in mock.counts_by_key().items() if provider == "openai"}

    assert_shares(count, {"sk-1...": 0.33, "sk-2...": 0.33, "sk-3...": 0.34}, "keys")


def test_example_1_posting_again_is_accepted_and_a_change_is_a_conflict(three_keys):
    address = f"{GATEWAY_ADMIN}/api/providers"
    expect("POST", address, three_keys)
    expect("POST", address, three_keys)
    three_keys["keys"][0]["weight"] = 0.9

    changed = call("POST", address, three_keys)

    assert changed.status == 409
    assert "PUT" in changed.json()["error"]["message"]


def test_example_2_weights_split_over_three_models(mock, gateway, virtual_key):
    virtual_key("vk-prod", THREE_PROVIDERS)

    def count():
        send(REQUESTS, "vk-prod", SMALL)
        return mock.counts()

    assert_shares(count, {"openai": 0.5, "anthropic": 0.3, "gemini": 0.2}, "providers")


def test_example_2_every_provider_answers_with_its_own_listed_model(mock, virtual_key, new_caller):
    virtual_key("vk-prod", THREE_PROVIDERS)
    listed = {"openai": "gpt-4o-mini", "anthropic": BACKUP_MODEL, "gemini": "gemini-1.5-flash"}
    caller = new_caller(api_key="vk-prod")

    seen = set()
    for _ in range(60):
        raw = caller.raw_chat(SMALL)
        provider = raw.headers["x-tollbridge-provider"]
        assert raw.headers["x-tollbridge-model"] == listed[provider]
        assert extra_fields(raw.parse())["provider"] == provider
        seen.add(provider)

    assert seen == set(listed)
    assert {r["model"] for r in mock.received()} == set(listed.values())


def test_example_2_explain_agrees(mock, gateway, virtual_key):
    virtual_key("vk-prod", THREE_PROVIDERS)

    decision = gateway.explain(hello(SMALL), "vk-prod")

    weights = {c["provider"]: c.get("weight") for c in decision["candidates"]}
    assert set(weights) == {"openai", "anthropic", "gemini"}
    if None not in weights.values():
        total = sum(weights.values())
        assert weights["openai"] / total == pytest.approx(0.5)
        assert weights["gemini"] / total == pytest.approx(0.2)
    assert mock.counts() == {}, "explaining called a provider"


OUTAGES = {
    "down": {"close_before_headers": True},
    "error": {"status": 503},
    "rate-limited": {"status": 429, "retry_after": 1},
    "slow": {"delay_headers_ms": 8000},
}


@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_example_3_anthropic_takes_over(virtual_key, new_caller, configure, failing, outage, stream):
    configure("openai", default_request_timeout_in_seconds=1)
    virtual_key("vk-backup", WITH_BACKUP)
    failing("openai", **OUTAGES[outage])

    assert_anthropic_answers(new_caller(api_key="vk-backup"), stream, 5 if outage == "slow" else 12)


def test_example_3_anthropic_takes_over_when_the_first_token_is_late(virtual_key, new_caller, configure, failing):
    configure("openai", default_request_timeout_in_seconds=1)
    virtual_key("vk-backup", WITH_BACKUP)
    failing("openai", delay_first_token_ms=8000)

    assert_anthropic_answers(new_caller(api_key="vk-backup"), True, 5)


def assert_anthropic_answers(caller, stream, count):
    """Every call is answered by Anthropic, at the client's first try."""
    for _ in range(count):
        raw = caller.raw_chat(SMALL, stream=stream)
        answer = raw.parse()
        assert caller.each(answer) if stream else answer.choices[0].message.content
        assert raw.headers["x-tollbridge-provider"] == "anthropic"
    assert len(caller.attempts) == count, "the SDK had to help"


def test_example_3_openai_is_down_for_curl(gateway, virtual_key, failing):
    virtual_key("vk-backup", WITH_BACKUP)
    failing("openai", status=503)

    for _ in range(10):
        answer = curl_chat(hello(SMALL), "vk-backup")
        assert answer["extra_fields"]["provider"] == "anthropic"


def test_example_3_openai_comes_first_and_comes_back(mock, gateway, virtual_key, new_caller, failing):
    virtual_key("vk-backup", WITH_BACKUP)
    caller = new_caller(api_key="vk-backup")
    for _ in range(200):
        caller.chat(SMALL)
    # Anthropic serves no gpt-4o-mini, so the weights draw among nobody else.
    assert mock.counts() == {"openai": 200}

    failing("openai", status=503)
    for _ in range(20):
        caller.chat(SMALL)
    mock.forget_rules()
    gateway.recover([f"openai/{SMALL}"])
    mock.reset()
    for _ in range(100):
        caller.chat(SMALL)

    assert mock.counts().get("openai", 0) >= 55, "OpenAI does not get its share back"


def test_example_3_without_substitution_the_backup_is_left_out(gateway, virtual_key, new_caller, failing):
    virtual_key("vk-strict", {**WITH_BACKUP, "model_substitution": "off"})
    failing("openai", status=503)

    with pytest.raises(openai.InternalServerError):
        new_caller(api_key="vk-strict").chat(SMALL)

    decision = gateway.explain(hello(SMALL), "vk-strict")
    assert {c["provider"] for c in decision["candidates"]} <= {"openai"}
    left_out = {row["provider"]: row["reason"] for row in decision["left_out"]}
    assert left_out["anthropic"]


def spend(mock, caller, provider, model, dollars):
    """Makes one call that costs so much."""
    usage = {"input_tokens": HUNDRED_DOLLARS[provider] * dollars // 100, "output_tokens": 1}
    mock.rule({"provider": provider}, times=1, text="Paid.", usage=usage)
    answer = caller.chat(f"{provider}/{model}", max_tokens=10)
    assert extra_fields(answer)["cost"] == pytest.approx(dollars, rel=0.01)


def assert_budget_exceeded(caller, model):
    with pytest.raises(openai.APIStatusError) as raised:
        caller.chat(model, max_tokens=10)
    assert raised.value.status_code in (402, 429)
    assert assert_openai_error(raised.value)["code"] == "budget_exceeded"


def test_example_4_the_keys_own_budget_comes_first(mock, gateway, virtual_key, new_caller):
    virtual_key("vk-budget", BUDGETS)
    caller = new_caller(api_key="vk-budget")
    spend(mock, caller, "openai", SMALL, 1100)
    assert gateway.spent("vk-budget") == pytest.approx(1100, rel=0.01)
    mock.reset()

    assert_budget_exceeded(caller, SMALL)
    assert_budget_exceeded(caller, f"anthropic/{BACKUP_MODEL}")

    assert mock.counts() == {}


def test_example_4_a_providers_budget_moves_the_traffic(mock, gateway, virtual_key, new_caller):
    virtual_key("vk-budget", BUDGETS)
    caller = new_caller(api_key="vk-budget")
    spend(mock, caller, "openai", SMALL, 620)
    mock.reset()

    for _ in range(20):
        raw = caller.raw_chat(SMALL, max_tokens=10)
        assert raw.headers["x-tollbridge-provider"] == "anthropic"
    assert mock.counts() == {"anthropic": 20}

    spend(mock, caller, "anthropic", BACKUP_MODEL, 320)
    mock.reset()
    assert_budget_exceeded(caller, SMALL)
    assert mock.counts() == {}
    assert gateway.spent("vk-budget") == pytest.approx(940, rel=0.02), "below the key's own thousand"


def test_example_4_requests_per_hour(mock, virtual_key, new_caller):
    five_an_hour = {"request_max_limit": 5, "request_reset_duration": "1h"}
    virtual_key("vk-rate", {**BUDGETS, "rate_limit": five_an_hour})
    caller = new_caller(api_key="vk-rate")
    for _ in range(5):
        caller.chat(SMALL, max_tokens=10)

    with pytest.raises(openai.RateLimitError) as raised:
        caller.chat(SMALL, max_tokens=10)

    assert_openai_error(raised.value)
    assert int(raised.value.response.headers["retry-after"]) > 0
    assert sum(mock.counts().values()) == 5


@pytest.mark.parametrize(("key_id", "own", "other"), [("vk-economy", SMALL, "gpt-4o"), ("vk-premium", "gpt-4o", SMALL)])
def test_example_5_each_key_refuses_the_others_model(mock, virtual_key, new_caller, key_id, own, other):
    virtual_key(key_id, {"provider_configs": [{"provider": "openai", "weight": 1.0, "allowed_models": [own]}]})
    caller = new_caller(api_key=key_id)

    assert caller.chat(own).choices[0].message.content
    for model in (other, f"openai/{other}"):
        with pytest.raises(openai.PermissionDeniedError) as raised:
            caller.chat(model)
        assert other in assert_openai_error(raised.value)["message"]

    assert {r["model"] for r in mock.received()} == {own}


def test_example_6_the_first_call(mock, caller):
    mock.rule({"provider": "openai"}, text="Hello from the other side.")

    assert caller.chat(f"openai/{SMALL}").choices[0].message.content == "Hello from the other side."
    assert curl_chat(hello(f"openai/{SMALL}"))["choices"][0]["message"]["content"] == "Hello from the other side."
    streamed = curl_chat_stream(hello(f"openai/{SMALL}", stream=True))
    assert streamed.rstrip().endswith("data: [DONE]")


def test_example_6_curl_without_a_content_type():
    """curl sends a form's type unless told; a user's first call must not fail of it."""
    printed = curl(f"{GATEWAY_URL}/v1/chat/completions", "--data", json.dumps(hello(f"openai/{SMALL}")))

    assert json.loads(printed)["choices"]


def test_example_7_metrics_agree_with_what_happened(mock, gateway, virtual_key, failing):
    virtual_key("vk-prod", THREE_PROVIDERS)
    virtual_key("vk-backup", WITH_BACKUP)
    before = gateway.metrics()
    costs, lock = [], threading.Lock()

    def one(api_key):
        answer = gateway.chat(hello(SMALL), api_key)
        assert answer.status == 200, answer.text
        with lock:
            costs.append(answer.json()["extra_fields"])
        return answer.headers

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, ["vk-prod"] * 200))
    failing("openai", status=503)
    moved = [one("vk-backup") for _ in range(10)]
    failovers = sum(int(headers["x-tollbridge-attempts"]) > 1 for headers in moved)
    after = gateway.metrics()

    for name in ("bifrost_cost_total", "bifrost_requests_total", "bifrost_failover_total"):
        assert after.has(name), f"/metrics lacks {name}"
    for provider, received in mock.counts().items():
        counted = after.sum("bifrost_requests_total", provider=provider)
        counted -= before.sum("bifrost_requests_total", provider=provider)
        assert counted == received, f"{provider}: metrics say {counted}, the provider received {received}"
        cost = after.sum("bifrost_cost_total", provider=provider) - before.sum("bifrost_cost_total", provider=provider)
        assert cost == pytest.approx(sum(c["cost"] for c in costs if c["provider"] == provider), rel=1e-6)
    labels = {"from_provider": "openai", "to_provider": "anthropic"}
    moves = after.sum("bifrost_failover_total", **labels) - before.sum("bifrost_failover_total", **labels)
    assert moves == failovers


def test_example_7_metrics_are_readable_by_curl():
    printed = curl(f"{GATEWAY_ADMIN}/metrics")

    assert "# TYPE bifrost_requests_total counter" in printed


def curl_post(path, body):
    """POSTs JSON with curl; anything but success is an error."""
    printed = curl(
        "--fail-with-body", "--header", "content-type: application/json",
        "--data", json.dumps(body), f"{GATEWAY_ADMIN}{path}",
    )  # fmt: skip
    return json.loads(printed)


def curl_chat(body, api_key=None):
    return json.loads(curl_chat_stream(body, api_key))


def curl_chat_stream(body, api_key=None):
    key = ["--header", f"authorization: Bearer {api_key}"] if api_key else []
    return curl(
        "--no-buffer", *key, "--header", "content-type: application/json",
        "--data", json.dumps(body), f"{GATEWAY_URL}/v1/chat/completions",
    )  # fmt: skip
