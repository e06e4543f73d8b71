"""Checks 1, 2, 7, 8, 9 and 29: whole answers."""

import json

import openai
import pytest
from pydantic import BaseModel

from support import GATEWAY_URL, extra_fields, target as named

GPT_4O_MINI_INPUT, GPT_4O_MINI_OUTPUT = 0.15e-6, 0.60e-6


class Weather(BaseModel):
    city: str
    degrees: int


def test_check_01_chat_returns_text_usage_and_request_id(mock, target, caller):
    mock.rule({"provider": target.provider}, text="Hello, world.", usage={"input_tokens": 12, "output_tokens": 7})

    answer = caller.chat(target.model)

    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == "Hello, world."
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (12, 7, 19)
    assert answer._request_id
    assert mock.counts() == {target.provider: 1}


@pytest.mark.gateway
def test_check_01_extra_fields_name_provider_and_cost(mock, target, caller):
    mock.rule({"provider": target.provider}, text="Hi.", usage={"input_tokens": 1000, "output_tokens": 500})

    extra = extra_fields(caller.chat(target.model))

    assert extra["request_type"] == "chat_completion"
    assert extra["provider"] == target.provider
    assert extra["latency"] >= 0 and extra["chunk_index"] == 0
    assert extra["cost"] > 0
    if target.provider == "openai":
        assert extra["cost"] == pytest.approx(1000 * GPT_4O_MINI_INPUT + 500 * GPT_4O_MINI_OUTPUT)


def test_check_02_raw_response_shows_the_providers_headers(mock, caller):
    headers = {
        "x-request-id": "req_of_the_provider",
        "openai-processing-ms": "17",
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "41",
        "x-ratelimit-reset-requests": "1s",
    }
    mock.rule({"provider": "openai"}, text="Hi.", headers=headers)

    raw = caller.raw_chat(named("openai").model)

    assert raw.headers["x-request-id"]
    assert raw.parse().choices[0].message.content == "Hi."
    for name in ("openai-processing-ms", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"):
        shown = raw.headers.get(name) or raw.headers.get(f"x-upstream-{name}")
        assert shown == headers[name], f"{name} does not reach the client"


@pytest.mark.gateway
def test_check_02_raw_response_shows_the_gateways_headers(target, caller):
    headers = caller.raw_chat(target.model, extra_headers={"x-request-id": "chosen-by-the-client"}).headers

    assert headers["x-request-id"] == "chosen-by-the-client"
    assert headers["x-tollbridge-provider"] == target.provider
    assert headers["x-tollbridge-model"] == target.model.split("/")[1]
    assert headers["x-tollbridge-attempts"] == "1"
    assert headers["x-tollbridge-decision-id"]
    assert headers["x-tollbridge-key"]


def test_check_07_parse_answers_the_pydantic_model(mock, target, caller):
    mock.rule({"provider": target.provider}, text=json.dumps({"city": "Oslo", "degrees": -3}))

    answer = caller.parse(target.model, "How cold is Oslo?", response_format=Weather)

    assert answer.choices[0].message.parsed == Weather(city="Oslo", degrees=-3)
    sent = json.dumps(mock.received(target.provider)[0]["body"])
    assert "degrees" in sent, "the schema did not reach the provider"


def test_check_08_parse_of_a_cut_answer_raises(mock, target, caller):
    mock.rule({"provider": target.provider}, text='{"city": "Os', finish_reason="length")

    with pytest.raises(openai.LengthFinishReasonError):
        caller.parse(target.model, "How cold is Oslo?", response_format=Weather)


def test_check_09_refusal_is_preserved(mock, target, caller):
    mock.rule({"provider": target.provider}, refusal="I cannot help with that.")

    choice = caller.chat(target.model).choices[0]

    if target.provider == "openai":
        assert choice.message.refusal == "I cannot help with that."
    else:
        assert choice.message.refusal or choice.finish_reason == "content_filter"


def test_check_29_unknown_fields_reach_the_provider(mock, caller):
    header = "x-bf-eh-x-team" if GATEWAY_URL else "x-team"

    caller.chat(
        named("openai").model,
        extra_headers={header: "blue"},
        extra_query={"trace": "7"},
        extra_body={"vendor_option": {"deep": [1, 2.50, None]}, "unheard_of": True},
    )

    got = mock.received("openai")[0]
    assert got["body"]["vendor_option"] == {"deep": [1, 2.5, None]}
    assert got["body"]["unheard_of"] is True
    assert got["headers"]["x-team"] == "blue"
    assert "trace=7" in got["path"] + "?" + str(got.get("query", ""))


def test_check_29_unknown_fields_do_not_break_a_translated_call(mock, target, caller):
    answer = caller.chat(
        target.model,
        extra_headers={"x-team": "blue"},
        extra_query={"trace": "7"},
        extra_body={"vendor_option": {"deep": [1, None]}, "unheard_of": True},
    )

    assert answer.choices[0].message.content
    assert mock.counts() == {target.provider: 1}
