// Checks 1, 3, 4, 5, 7, 31, 32 and 33.

import assert from 'node:assert/strict';
import { check, checkEach, chatModel, collect, gateway, hello, mock, newClient, textOf, z, zodResponseFormat } from './support.mjs';

const WORDS = 'The quick brown fox jumps over the lazy dog.';
const USAGE = { input_tokens: 30, output_tokens: 20 };
const CITY = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const tool = (name) => ({ type: 'function', function: { name, description: `The ${name} of a city.`, parameters: CITY } });

checkEach('check 01: chat returns text, usage and request id', async (provider) => {
  await mock.rule({ provider }, { text: 'Hello, world.', usage: USAGE });
  const { client } = newClient();

  const answer = await client.chat.completions.create(hello(chatModel(provider)));

  assert.equal(answer.choices[0].message.content, 'Hello, world.');
  assert.equal(answer.choices[0].finish_reason, 'stop');
  assert.deepEqual([answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens], [30, 20, 50]);
  assert.ok(answer._request_id);
});

checkEach('check 03: stream text concatenates and ends', async (provider) => {
  await mock.rule({ provider }, { text: WORDS, usage: USAGE });
  const { client } = newClient();

  const chunks = await collect(await client.chat.completions.create(hello(chatModel(provider), { stream: true })));

  assert.equal(textOf(chunks), WORDS);
  assert.equal(new Set(chunks.map((c) => `${c.id} ${c.created} ${c.model} ${c.object}`)).size, 1);
  assert.equal(chunks.find((c) => c.choices.length).choices[0].delta.role, 'assistant');
  assert.deepEqual(chunks.flatMap((c) => c.choices.map((choice) => choice.finish_reason)).filter(Boolean), ['stop']);
});

checkEach(
  'check 03: no usage chunk unasked, yet the log has tokens and cost',
  async (provider) => {
    await mock.rule({ provider }, { text: WORDS, usage: USAGE });
    const { client } = newClient();
    const requestId = `node-check-03-${provider}`;

    const options = { headers: { 'x-request-id': requestId } };
    const chunks = await collect(await client.chat.completions.create(hello(chatModel(provider), { stream: true }), options));

    assert.ok(chunks.every((c) => c.choices.length === 1 && !c.usage));
    const row = await gateway.log(requestId);
    assert.equal(row.token_usage.prompt_tokens, 30);
    assert.equal(row.token_usage.completion_tokens, 20);
    assert.ok(row.cost > 0);
  },
  { needsGateway: true },
);

checkEach('check 04: include_usage gives one final usage chunk', async (provider) => {
  await mock.rule({ provider }, { text: WORDS, usage: USAGE });
  const { client } = newClient();
  const body = hello(chatModel(provider), { stream: true, stream_options: { include_usage: true } });

  const chunks = await collect(await client.chat.completions.create(body));

  assert.equal(chunks.filter((c) => c.usage).length, 1);
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.completion_tokens, 20);
});

checkEach('check 05: streamed parallel tool calls rebuild', async (provider) => {
  const wanted = [
    { name: 'weather', arguments: { city: 'Oslo "øst"' } },
    { name: 'time', arguments: { city: 'Bergen' } },
  ];
  await mock.rule({ provider }, { tool_calls: wanted });
  const { client } = newClient();

  const stream = client.chat.completions.stream(hello(chatModel(provider), { tools: [tool('weather'), tool('time')] }));
  const calls = (await stream.finalChatCompletion()).choices[0].message.tool_calls;

  assert.deepEqual(calls.map((c) => ({ name: c.function.name, arguments: JSON.parse(c.function.arguments) })), wanted);
  assert.equal(new Set(calls.map((c) => c.id)).size, 2);
});

checkEach('check 07: parse answers the object of a JSON schema', async (provider) => {
  await mock.rule({ provider }, { text: JSON.stringify({ city: 'Oslo', degrees: -3 }) });
  const { client } = newClient();
  const schema = {
    type: 'object',
    properties: { city: { type: 'string' }, degrees: { type: 'integer' } },
    required: ['city', 'degrees'],
    additionalProperties: false,
  };
  const format = { type: 'json_schema', json_schema: { name: 'weather', strict: true, schema } };

  const answer = await client.chat.completions.parse(hello(chatModel(provider), { response_format: format }));

  assert.deepEqual(JSON.parse(answer.choices[0].message.content), { city: 'Oslo', degrees: -3 });
  const [sent] = await mock.received(provider);
  assert.match(JSON.stringify(sent.body), /degrees/, 'the schema did not reach the provider');
});

checkEach('check 31: chat and the stream helper', async (provider) => {
  await mock.rule({ provider }, { text: WORDS });
  const { client } = newClient();
  const deltas = [];

  const stream = client.chat.completions.stream(hello(chatModel(provider)));
  stream.on('content', (delta) => deltas.push(delta));
  const final = await stream.finalChatCompletion();

  assert.equal(deltas.join(''), WORDS);
  assert.equal(final.choices[0].message.content, WORDS);
  assert.equal(await stream.finalContent(), WORDS);
});

for (const stream of [false, true]) {
  checkEach(`check 32: runTools takes two rounds${stream ? ', streamed' : ''}`, async (provider) => {
    // The tool's result in the request is what tells the second round from the first.
    await mock.rule({ provider, body_contains: 'minus three' }, { text: 'It is cold in Oslo.' });
    await mock.rule({ provider }, { tool_calls: [{ name: 'weather', arguments: { city: 'Oslo' } }] }, 1);
    const { client, attempts } = newClient();
    const asked = [];
    const weather = tool('weather').function;
    weather.parse = JSON.parse;
    weather.function = ({ city }) => {
      asked.push(city);
      return 'minus three';
    };

    const body = hello(chatModel(provider), { stream, tools: [{ type: 'function', function: weather }] });
    const final = await client.chat.completions.runTools(body).finalContent();

    assert.equal(final, 'It is cold in Oslo.');
    assert.deepEqual(asked, ['Oslo']);
    assert.equal(attempts.length, 2);
  });
}

checkEach('check 33: zod response format', async (provider) => {
  const Weather = z.object({ city: z.string(), degrees: z.number().int() });
  await mock.rule({ provider }, { text: JSON.stringify({ city: 'Oslo', degrees: -3 }) });
  const { client } = newClient();

  const body = hello(chatModel(provider), { response_format: zodResponseFormat(Weather, 'weather') });
  const answer = await client.chat.completions.parse(body);

  assert.deepEqual(answer.choices[0].message.parsed, { city: 'Oslo', degrees: -3 });
  const [sent] = await mock.received(provider);
  if (provider !== 'openai') {
    assert.doesNotMatch(JSON.stringify(sent.body), /\$schema/, 'a translated schema keeps `$schema`');
  }
});

check('a developer message and images are taken', async () => {
  const { client } = newClient();
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };
  const messages = [
    { role: 'developer', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'text', text: 'What is this?' }, image] },
  ];

  const answer = await client.chat.completions.create({ model: chatModel('openai'), messages });

  assert.ok(answer.choices[0].message.content);
});
