"""Check 17: the list of models, and one model by its name."""

import openai
import pytest

from support import GATEWAY_URL, assert_openai_error, name


def test_check_17_models_are_listed(caller):
    models = caller.each(caller.client.models.list())

    ids = [model.id for model in models]
    assert name("openai", "gpt-4o-mini") in ids
    assert len(ids) == len(set(ids))
    if GATEWAY_URL:
        assert {"openai", "anthropic", "gemini"} <= {i.split("/")[0] for i in ids}


def test_check_17_a_model_is_retrieved(caller):
    model = caller.run(caller.client.models.retrieve(name("openai", "gpt-4o-mini")))

    assert model.id == name("openai", "gpt-4o-mini")
    assert model.object == "model"


@pytest.mark.gateway
def test_check_17_the_slash_arrives_percent_encoded(caller):
    """The SDK writes `openai%2Fgpt-4o-mini`; curl users write the slash."""
    urls = []
    caller.client._client.event_hooks["request"].append(remember(urls, caller.mode))

    caller.run(caller.client.models.retrieve("openai/gpt-4o-mini"))

    assert urls[0].raw_path.endswith(b"/models/openai%2Fgpt-4o-mini")


def remember(urls, mode):
    def sync_hook(request):
        urls.append(request.url)

    async def async_hook(request):
        urls.append(request.url)

    return sync_hook if mode == "sync" else async_hook


@pytest.mark.gateway
def test_check_17_an_unknown_model_is_not_found(caller):
    with pytest.raises(openai.NotFoundError) as raised:
        caller.run(caller.client.models.retrieve("openai/no-such-model"))

    assert_openai_error(raised.value)
