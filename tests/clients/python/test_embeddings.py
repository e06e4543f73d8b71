"""Checks 15 and 16: embeddings."""

import openai
import pytest

from support import EMBEDDING_MODELS, assert_openai_error, target as named

PAIRS = ["the first text", "and a second one"]


@pytest.fixture(params=sorted(EMBEDDING_MODELS))
def target(request):
    """Each provider that has embeddings."""
    return named(request.param)


def test_check_15_base64_and_float_are_the_same_numbers(target, caller):
    default = caller.embed(target.embedding_model, PAIRS)
    floats = caller.embed(target.embedding_model, PAIRS, encoding_format="float")

    assert [d.index for d in default.data] == [0, 1]
    assert all(isinstance(number, float) for number in default.data[0].embedding)
    for packed, plain in zip(default.data, floats.data, strict=True):
        assert packed.embedding == pytest.approx(plain.embedding, rel=1e-6)
    assert default.usage.total_tokens >= 0


def test_check_15_list_order_is_kept(target, caller):
    together = caller.embed(target.embedding_model, PAIRS, encoding_format="float")
    alone = [caller.embed(target.embedding_model, text, encoding_format="float").data[0] for text in PAIRS]

    assert together.data[0].embedding != together.data[1].embedding
    for both, one in zip(together.data, alone, strict=True):
        assert both.embedding == pytest.approx(one.embedding, rel=1e-6)


def test_check_15_dimensions_are_kept(mock, target, caller):
    answer = caller.embed(target.embedding_model, "short", dimensions=8)

    assert len(answer.data[0].embedding) == 8
    assert "8" in str(mock.received(target.provider)[0]["body"])


@pytest.mark.gateway
def test_check_15_a_provider_without_embeddings_says_so(mock, caller):
    with pytest.raises(openai.APIStatusError) as raised:
        caller.embed("anthropic/claude-haiku-4-5", "text")

    assert raised.value.status_code == 400
    assert "not supported" in assert_openai_error(raised.value)["message"]
    assert mock.counts() == {}


@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]]], ids=["one", "many"])
def test_check_16_token_arrays_reach_openai_unchanged(mock, caller, tokens):
    answer = caller.embed(named("openai").embedding_model, tokens)

    assert len(answer.data) == (2 if isinstance(tokens[0], list) else 1)
    assert mock.received("openai")[0]["body"]["input"] == tokens


@pytest.mark.gateway
def test_check_16_token_arrays_are_refused_clearly_elsewhere(mock, caller):
    """A provider that takes no tokens gets text, or the client a 400; never numbers as text."""
    try:
        answer = caller.embed(named("gemini").embedding_model, [9906, 1917])
    except openai.BadRequestError as refused:
        assert "token" in assert_openai_error(refused)["message"]
        assert mock.counts() == {}
    else:
        assert len(answer.data) == 1
        assert "9906" not in str(mock.received("gemini")[0]["body"])
