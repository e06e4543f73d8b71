"""Checks 18 to 21 and 23: errors, the client's retries, failover."""

import openai
import pytest

from support import CHAT_MODELS, assert_openai_error, error_of, target as named, text_of

EXPENSIVE = {"input_tokens": 1_000_000, "output_tokens": 1}


def test_check_18_rate_limit_with_retry_after_ms_is_retried_once(mock, target, new_caller):
    caller = new_caller(max_retries=2)
    mock.rule({"provider": target.provider}, times=1, status=429, headers={"retry-after-ms": "60", "retry-after": "1"})

    answer = caller.chat(target.model)

    assert answer.choices[0].message.content
    assert [attempt["x-stainless-retry-count"] for attempt in caller.attempts] == ["0", "1"]
    assert mock.counts() == {target.provider: 2}


def test_check_18_rate_limit_without_retries_is_a_rate_limit_error(target, caller, failing):
    failing(target.provider, times=1, status=429, retry_after=1)

    with pytest.raises(openai.RateLimitError) as raised:
        caller.chat(target.model)

    assert_openai_error(raised.value)
    assert raised.value.response.headers["retry-after"]


@pytest.mark.gateway
def test_check_19_exceeded_budget_is_not_retried(mock, target, new_caller, virtual_key):
    key_id = f"vk-check-19-{target.provider}"
    virtual_key(key_id, {"budget": {"max_limit": 0.1, "reset_duration": "1M"}})
    mock.rule({"provider": target.provider}, text="Hi.", usage=EXPENSIVE)
    caller = new_caller(api_key=key_id, max_retries=2)
    caller.chat(target.model, max_tokens=5)
    mock.reset()
    caller.attempts.clear()

    with pytest.raises(openai.APIStatusError) as raised:
        caller.chat(target.model, max_tokens=5)

    assert raised.value.status_code in (402, 429)
    assert raised.value.response.headers["x-should-retry"] == "false"
    error = assert_openai_error(raised.value)
    assert error["code"] == "budget_exceeded"
    assert "budget" in error["message"].lower()
    assert len(caller.attempts) == 1, "the client retried a call that cannot succeed"
    assert mock.counts() == {}


@pytest.mark.gateway
def test_check_20_bad_virtual_key_is_an_authentication_error(mock, target, new_caller):
    caller = new_caller(api_key="sk-bf-00000000-0000-4000-8000-000000000000")

    with pytest.raises(openai.AuthenticationError) as raised:
        caller.chat(target.model)

    assert raised.value.status_code == 401
    assert_openai_error(raised.value)
    assert mock.counts() == {}


@pytest.mark.gateway
def test_check_20_blocked_model_is_permission_denied(mock, target, new_caller, virtual_key):
    virtual_key(
        "vk-check-20",
        {"provider_configs": [{"provider": target.provider, "weight": 1.0, "allowed_models": ["some-other-model"]}]},
    )

    with pytest.raises(openai.PermissionDeniedError) as raised:
        new_caller(api_key="vk-check-20").chat(target.model)

    assert target.model.split("/")[1] in assert_openai_error(raised.value)["message"]
    assert mock.counts() == {}


@pytest.mark.gateway
def test_check_20_unknown_model_is_not_found(mock, caller):
    """A name that no provider serves, and one that the provider itself does not know."""
    with pytest.raises(openai.NotFoundError) as raised:
        caller.chat("no-provider-serves-this")
    assert_openai_error(raised.value)
    assert mock.counts() == {}


def test_check_20_model_unknown_to_the_provider_is_not_found(mock, target, caller):
    mock.rule({"provider": target.provider}, times=1, status=404)

    with pytest.raises(openai.NotFoundError) as raised:
        caller.chat(target.model)

    assert_openai_error(raised.value)


def test_check_20_bad_body_is_a_bad_request_with_param(mock, caller):
    body = {
        "error": {
            "message": "Invalid value for 'temperature': must be at most 2.",
            "type": "invalid_request_error",
            "param": "temperature",
            "code": None,
        }
    }
    mock.rule({"provider": "openai"}, times=1, status=400, body=body)

    with pytest.raises(openai.BadRequestError) as raised:
        caller.chat(named("openai").model, temperature=17)

    error = assert_openai_error(raised.value)
    assert error["param"] == "temperature"
    assert error["message"] == body["error"]["message"]


@pytest.mark.gateway
def test_check_20_missing_messages_is_a_bad_request_with_param(mock, target, caller):
    with pytest.raises(openai.BadRequestError) as raised:
        caller.run(caller.client.post("/chat/completions", cast_to=object, body={"model": target.model}))

    assert assert_openai_error(raised.value)["param"] == "messages"
    assert mock.counts() == {}


@pytest.mark.gateway
def test_check_21_a_provider_that_is_too_slow_is_a_504(target, caller, failing, configure):
    configure(target.provider, default_request_timeout_in_seconds=1)
    failing(target.provider, never_answer=True)

    with pytest.raises(openai.InternalServerError) as raised:
        caller.chat(target.model)

    assert raised.value.status_code == 504
    assert "time" in assert_openai_error(raised.value)["message"].lower()


@pytest.mark.gateway
@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_check_23_failover_is_invisible(target, caller, failing, status):
    backup = target.fallbacks()[0]
    failing(target.provider, status=status)

    raw = caller.raw_chat(target.model, extra_body={"fallbacks": [backup]})

    answer = raw.parse()
    assert answer.choices[0].message.content
    assert raw.headers["x-tollbridge-provider"] == backup.split("/")[0]
    assert raw.headers["x-tollbridge-model"] == backup.split("/")[1]
    assert int(raw.headers["x-tollbridge-attempts"]) >= 2
    assert len(caller.attempts) == 1


FIRST_BYTE_FAILURES = {
    "refused": {"status": 503},
    "closed": {"close_before_headers": True},
    "error-first": {"stream_error_after_events": 0},
    "cut-first": {"cut_after_events": 0},
}


@pytest.mark.gateway
@pytest.mark.parametrize("failure", FIRST_BYTE_FAILURES)
def test_check_23_failover_before_the_first_byte_of_a_stream(mock, target, caller, failing, failure):
    backup = target.fallbacks()[0]
    failing(target.provider, text="never seen", **FIRST_BYTE_FAILURES[failure])
    mock.rule({"provider": backup.split("/")[0]}, text="From the backup.")

    raw = caller.raw_chat(target.model, stream=True, extra_body={"fallbacks": [backup]})

    chunks = caller.each(raw.parse())
    assert text_of(chunks) == "From the backup."
    assert raw.headers["x-tollbridge-provider"] == backup.split("/")[0]
    assert int(raw.headers["x-tollbridge-attempts"]) >= 2


@pytest.mark.gateway
def test_check_23_when_all_fail_the_first_error_is_answered(target, caller, failing):
    for provider in CHAT_MODELS:
        failing(provider, status=503 if provider == target.provider else 500)

    with pytest.raises(openai.InternalServerError) as raised:
        caller.chat(target.model, extra_body={"fallbacks": target.fallbacks()})

    assert raised.value.status_code == 503
    assert error_of(raised.value)["message"]
