// Checks 15, 17, 18, 19, 20, 22 and 34.

import assert from 'node:assert/strict';
import {
  OpenAI, chatModel, check, checkEach, collect, embeddingModel, eventually, gateway, hello, mock, newClient, textOf,
} from './support.mjs';

const WORDS = 'one two three four five six seven eight nine ten';

/** OpenAI's error shape: all four keys, a message that says something. */
function assertOpenAIError(error) {
  for (const key of ['message', 'type', 'param', 'code']) assert.ok(key in error.error, `the error lacks ${key}`);
  assert.ok(error.error.message);
}

checkEach(
  'check 15: embeddings: base64 and float are the same numbers, in order',
  async (provider) => {
    const { client } = newClient();
    const input = ['the first text', 'and a second one'];

    const packed = await client.embeddings.create({ model: embeddingModel(provider), input });
    const plain = await client.embeddings.create({ model: embeddingModel(provider), input, encoding_format: 'float' });
    const short = await client.embeddings.create({ model: embeddingModel(provider), input: 'short', dimensions: 8 });

    assert.deepEqual(packed.data.map((d) => d.index), [0, 1]);
    packed.data.forEach((one, i) => {
      assert.equal(one.embedding.length, plain.data[i].embedding.length);
      one.embedding.forEach((number, n) => assert.ok(Math.abs(number - plain.data[i].embedding[n]) < 1e-6));
    });
    assert.notDeepEqual(plain.data[0].embedding, plain.data[1].embedding);
    assert.equal(short.data[0].embedding.length, 8);
  },
  { providers: ['openai', 'gemini'] },
);

check('check 17: models are listed and retrieved by name', async () => {
  const { client } = newClient();

  const ids = (await collect(await client.models.list())).map((model) => model.id);
  const one = await client.models.retrieve(chatModel('openai'));

  assert.ok(ids.includes(chatModel('openai')));
  assert.equal(one.id, chatModel('openai'));
});

checkEach('check 18: a rate limit with retry-after-ms is retried once', async (provider) => {
  await mock.rule({ provider }, { status: 429, headers: { 'retry-after-ms': '60', 'retry-after': '1' } }, 1);
  const { client, attempts } = newClient({ maxRetries: 2 });

  const answer = await client.chat.completions.create(hello(chatModel(provider)));

  assert.ok(answer.choices[0].message.content);
  assert.deepEqual(attempts.map((headers) => headers.get('x-stainless-retry-count')), ['0', '1']);
});

checkEach(
  'check 19: an exceeded budget is not retried',
  async (provider) => {
    const key = `vk-node-19-${provider}`;
    await gateway.deleteVirtualKey(key);
    await gateway.putVirtualKey(key, { budget: { max_limit: 0.1, reset_duration: '1M' } });
    await mock.rule({ provider }, { text: 'Hi.', usage: { input_tokens: 1_000_000, output_tokens: 1 } });
    const { client, attempts } = newClient({ apiKey: key, maxRetries: 2 });
    const body = hello(chatModel(provider), { max_tokens: 5 });
    await client.chat.completions.create(body);
    attempts.length = 0;

    await assert.rejects(client.chat.completions.create(body), (error) => {
      assert.ok([402, 429].includes(error.status));
      assert.equal(error.headers.get('x-should-retry'), 'false');
      assert.equal(error.code, 'budget_exceeded');
      assertOpenAIError(error);
      return true;
    });
    assert.equal(attempts.length, 1);
    await gateway.deleteVirtualKey(key);
  },
  { needsGateway: true },
);

checkEach(
  'check 20: bad virtual key, blocked model, bad body, unknown model',
  async (provider) => {
    const model = chatModel(provider);
    const key = 'vk-node-20';
    await gateway.putVirtualKey(key, {
      provider_configs: [{ provider, weight: 1.0, allowed_models: ['some-other-model'] }],
    });
    const anyone = newClient().client;
    const stranger = newClient({ apiKey: 'sk-bf-00000000-0000-4000-8000-000000000000' }).client;
    const blocked = newClient({ apiKey: key }).client;
    const refused = async (kind, call) =>
      assert.rejects(call, (error) => {
        assert.ok(error instanceof kind, `${error.constructor.name} instead of ${kind.name}: ${error.message}`);
        assertOpenAIError(error);
        return true;
      });

    await refused(OpenAI.AuthenticationError, stranger.chat.completions.create(hello(model)));
    await refused(OpenAI.PermissionDeniedError, blocked.chat.completions.create(hello(model)));
    await refused(OpenAI.NotFoundError, anyone.chat.completions.create(hello('no-provider-serves-this')));
    await assert.rejects(anyone.chat.completions.create({ model }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, 'messages');
      return true;
    });
    assert.equal((await mock.received(provider)).length, 0);
    await gateway.deleteVirtualKey(key);
  },
  { needsGateway: true },
);

checkEach('check 22: an error in the stream is an error with a message', async (provider) => {
  await mock.rule({ provider }, { text: WORDS, stream_error_after_events: 4 }, 1);
  const { client } = newClient();

  const stream = await client.chat.completions.create(hello(chatModel(provider), { stream: true }));

  await assert.rejects(collect(stream), (error) => error instanceof OpenAI.APIError && error.message.length > 0);
});

checkEach(
  'check 22: a cut stream is an error with a message, not a hang',
  async (provider) => {
    await mock.rule({ provider }, { text: WORDS, cut_after_events: 4 }, 1);
    const { client } = newClient();

    const stream = await client.chat.completions.create(hello(chatModel(provider), { stream: true }));

    await assert.rejects(collect(stream), (error) => error instanceof OpenAI.APIError && error.message.length > 0);
  },
  { needsGateway: true },
);

checkEach('check 34: abort cancels the upstream within 100 ms and is logged', async (provider) => {
  await mock.rule({ provider }, { text: WORDS.repeat(20), delay_between_ms: 20 });
  const { client } = newClient();
  const requestId = `node-check-34-${provider}`;
  const body = hello(chatModel(provider), { stream: true });
  const stream = await client.chat.completions.create(body, { headers: { 'x-request-id': requestId } });
  const seen = [];

  for await (const chunk of stream) {
    seen.push(chunk);
    if (textOf(seen).split(' ').length > 3) break; // leaving the loop aborts the request
  }
  const aborted = Date.now();
  await eventually('the mock saw the abort', async () => (await mock.received(provider))[0].aborted, 3000);
  const took = Date.now() - aborted;

  // The mock notices at one of its next events (every 20 ms) and is asked every 25 ms.
  assert.ok(took <= 100 + 40 + 25, `the upstream was cancelled after ${took} ms`);
  if (process.env.GATEWAY_URL) {
    const row = await gateway.log(requestId);
    assert.match(`${row.status} ${JSON.stringify(row.error_details ?? '')}`, /cancel/i);
    assert.ok(row.token_usage.completion_tokens > 0, 'what was streamed is not accounted');
  }
});
