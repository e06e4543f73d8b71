"""Checks 3, 4, 5, 6, 22 and 30: streams."""

import asyncio
import json

import openai
import pytest

from support import BASE_URL, text_of

WORDS = "The quick brown fox jumps over the lazy dog."
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": tool,
            "description": f"The {tool} of a city.",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
    for tool in ("weather", "time")
]


def assert_well_formed(chunks):
    """What every consumer of a chat stream relies on."""
    assert len({(c.id, c.created, c.model, c.object) for c in chunks}) == 1, "chunks differ in id, created or model"
    assert chunks[0].object == "chat.completion.chunk"
    with_choices = [c for c in chunks if c.choices]
    assert with_choices[0].choices[0].delta.role == "assistant"
    finished = [c.choices[0].finish_reason for c in with_choices if c.choices[0].finish_reason]
    assert len(finished) == 1, f"finish_reason was sent {len(finished)} times: {finished}"
    return finished[0]


def test_check_03_stream_text_concatenates_and_ends(mock, target, caller):
    mock.rule({"provider": target.provider}, text=WORDS, usage={"input_tokens": 30, "output_tokens": 20})

    chunks = caller.chunks(target.model)

    assert text_of(chunks) == WORDS
    assert assert_well_formed(chunks) == "stop"
    assert len([c for c in chunks if c.choices and c.choices[0].delta.content]) > 1, "the text came in one piece"


@pytest.mark.gateway
def test_check_03_no_usage_chunk_unasked_yet_the_log_has_tokens_and_cost(mock, target, caller, gateway):
    mock.rule({"provider": target.provider}, text=WORDS, usage={"input_tokens": 30, "output_tokens": 20})
    request_id = f"check-03-{target.provider}-{caller.mode}"

    chunks = caller.chunks(target.model, extra_headers={"x-request-id": request_id})

    assert all(c.choices for c in chunks), "a chunk without choices breaks `chunk.choices[0]`"
    assert all(c.usage is None for c in chunks), "usage was not asked for"
    row = gateway.log(request_id, ready=lambda row: row["status"] != "processing")
    assert row["status"] == "success"
    assert row["token_usage"]["prompt_tokens"] == 30
    assert row["token_usage"]["completion_tokens"] == 20
    assert row["cost"] > 0


def test_check_04_include_usage_gives_one_final_usage_chunk(mock, target, caller):
    mock.rule({"provider": target.provider}, text=WORDS, usage={"input_tokens": 30, "output_tokens": 20})

    chunks = caller.chunks(target.model, stream_options={"include_usage": True})

    with_usage = [c for c in chunks if c.usage is not None]
    assert len(with_usage) == 1
    assert with_usage[0] is chunks[-1]
    assert chunks[-1].choices == []
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (30, 20)
    assert text_of(chunks) == WORDS


def test_check_05_streamed_parallel_tool_calls_rebuild(mock, target, caller):
    wanted = [
        {"name": "weather", "arguments": {"city": 'Oslo "øst"'}},
        {"name": "time", "arguments": {"city": "Bergen"}},
    ]
    mock.rule({"provider": target.provider}, tool_calls=wanted)

    chunks = caller.chunks(target.model, "Weather in Oslo, time in Bergen?", tools=TOOLS)

    calls = {}
    for chunk in chunks:
        for part in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            call = calls.setdefault(part.index, {"id": None, "name": None, "arguments": ""})
            if part.id:
                assert call["id"] in (None, part.id), "the id of a tool call changed"
                call["id"] = part.id
            if part.function and part.function.name:
                call["name"] = part.function.name
            call["arguments"] += (part.function and part.function.arguments) or ""
    assert sorted(calls) == [0, 1]
    assert len({c["id"] for c in calls.values()}) == 2 and all(c["id"] for c in calls.values())
    rebuilt = [{"name": c["name"], "arguments": json.loads(c["arguments"])} for _, c in sorted(calls.items())]
    assert rebuilt == wanted
    assert assert_well_formed(chunks) == "tool_calls"


def test_check_05_the_sdks_accumulator_rebuilds_them_too(mock, target, caller):
    mock.rule({"provider": target.provider}, tool_calls=[{"name": "weather", "arguments": {"city": "Oslo"}}] * 2)

    _, final = caller.events(target.model, "Weather in Oslo, twice?", tools=TOOLS)

    calls = final.choices[0].message.tool_calls
    assert [json.loads(c.function.arguments) for c in calls] == [{"city": "Oslo"}] * 2
    assert calls[0].id != calls[1].id


def test_check_06_stream_helper_events_and_final_message(mock, target, caller):
    mock.rule({"provider": target.provider}, text=WORDS)

    events, final = caller.events(target.model)

    kinds = [event.type for event in events]
    assert set(kinds) == {"chunk", "content.delta", "content.done"}
    assert kinds.count("content.done") == 1
    deltas = [event for event in events if event.type == "content.delta"]
    assert "".join(event.delta for event in deltas) == WORDS
    assert deltas[-1].snapshot == WORDS
    assert final.choices[0].message.content == WORDS
    assert final.choices[0].finish_reason == "stop"


def test_check_22_error_in_the_stream_is_an_api_error_with_a_message(mock, target, caller, failing):
    failing(target.provider, text=WORDS, stream_error_after_events=4)

    with pytest.raises(openai.APIError) as raised:
        caller.chunks(target.model)

    assert raised.value.message


@pytest.mark.gateway
def test_check_22_cut_stream_is_an_api_error_with_a_message(mock, target, caller, failing):
    failing(target.provider, text=WORDS, cut_after_events=4)

    with pytest.raises(openai.APIError) as raised:
        caller.chunks(target.model)

    assert raised.value.message
    assert not isinstance(raised.value, openai.APIConnectionError), "the cut reached the client as a cut"


@pytest.mark.timeout(180)
def test_check_30_two_hundred_streams_do_not_mix(mock, target):
    """Every stream asks for its own words and gets just those."""
    for number in range(200):
        when = {"provider": target.provider, "body_contains": f"stream-{number:03}-question"}
        mock.rule(when, text=answer_of(number), delay_between_ms=3)

    answers = asyncio.run(two_hundred_streams(target.model))

    wrong = {n: text for n, text in enumerate(answers) if text != answer_of(n)}
    assert not wrong, f"{len(wrong)} of 200 streams are wrong, such as {next(iter(wrong.items()))}"
    assert mock.counts() == {target.provider: 200}


def answer_of(number):
    return " ".join(f"answer-{number:03}-{word}" for word in range(12))


async def two_hundred_streams(model):
    options = {"base_url": BASE_URL, "api_key": "sk-no-virtual-key", "max_retries": 0, "timeout": 60.0}
    async with openai.AsyncOpenAI(**options) as client:

        async def one(number):
            messages = [{"role": "user", "content": f"stream-{number:03}-question"}]
            try:
                stream = await client.chat.completions.create(model=model, messages=messages, stream=True)
                return text_of([chunk async for chunk in stream])
            except openai.APIStatusError as error:
                return f"{error.status_code}: {error.response.text}"
            except openai.APIError as error:
                return f"{type(error).__name__}: {error} {error.body}"

        return await asyncio.gather(*(one(number) for number in range(200)))
