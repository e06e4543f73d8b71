// What the tests of this suite share: who is asked, the mock's script, the gateway's management API.
// CLIENT_DIR names the installation (openai6 or openai7) whose SDK is used.

import { createRequire } from 'node:module';
import { test } from 'node:test';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const installed = path.join(here, '..', process.env.CLIENT_DIR ?? 'openai6', 'package.json');
const require = createRequire(installed);

export const OpenAI = require('openai').OpenAI;
export const { zodResponseFormat } = require('openai/helpers/zod');
export const { z } = require('zod');

const trimmed = (url) => (url ?? '').replace(/\/+$/, '');
export const MOCK_URL = trimmed(process.env.MOCK_URL ?? 'http://127.0.0.1:9090');
export const GATEWAY_URL = trimmed(process.env.GATEWAY_URL);
const GATEWAY_ADMIN = trimmed(process.env.GATEWAY_ADMIN ?? GATEWAY_URL);
// Without a gateway the mock itself is the OpenAI-compatible server under test.
export const BASE_URL = GATEWAY_URL ? `${GATEWAY_URL}/v1` : `${MOCK_URL}/openai/v1`;

const KEYS = { openai: 'sk-openai-test', anthropic: 'sk-ant-test', gemini: 'gm-test' };
const CHAT_MODELS = { openai: 'gpt-4o-mini', anthropic: 'claude-haiku-4-5', gemini: 'gemini-2.5-flash' };
const EMBEDDING_MODELS = { openai: 'text-embedding-3-small', gemini: 'gemini-embedding-001' };
export const PROVIDERS = Object.keys(CHAT_MODELS);

/** The model's name for the client: with the provider in front of it, if a gateway is asked. */
const named = (provider, model) => (GATEWAY_URL ? `${provider}/${model}` : model);
export const chatModel = (provider) => named(provider, CHAT_MODELS[provider]);
export const embeddingModel = (provider) => named(provider, EMBEDDING_MODELS[provider]);

/** A client that counts the HTTP requests it sends, its own retries among them. */
export function newClient(options = {}) {
  const attempts = [];
  const fetch = (url, init) => {
    attempts.push(new Headers(init.headers));
    return globalThis.fetch(url, init);
  };
  const client = new OpenAI({
    baseURL: BASE_URL,
    apiKey: 'sk-no-virtual-key',
    maxRetries: 0,
    timeout: 20_000,
    fetch,
    ...options,
  });
  return { client, attempts };
}

export const hello = (model, more = {}) => ({
  model,
  messages: [{ role: 'user', content: 'Say hello.' }],
  ...more,
});

export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

export const textOf = (chunks) => chunks.map((c) => c.choices[0]?.delta?.content ?? '').join('');

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until the answer is truthy; fails after `within` milliseconds. */
export async function eventually(what, ask, within = 10_000) {
  const deadline = Date.now() + within;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`never came true within ${within} ms: ${what}`);
    await sleep(25);
  }
}

// --- the mock and the gateway --------------------------------------------------------------

async function send(method, url, body) {
  const response = await fetch(url, {
    method,
    body: body && JSON.stringify(body),
    headers: body && { 'content-type': 'application/json' },
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text.slice(0, 500)}`);
  return text ? JSON.parse(text) : null;
}

export const mock = {
  /** Requests that match `when` get `reply`, at most `times` times. */
  rule: (when, reply, times) => send('POST', `${MOCK_URL}/_mock/rules`, { when, reply, ...(times && { times }) }),
  async reset() {
    for (const what of ['rules', 'received', 'counts']) await send('DELETE', `${MOCK_URL}/_mock/${what}`);
  },
  async received(provider) {
    const answer = await send('GET', `${MOCK_URL}/_mock/received`);
    const requests = Array.isArray(answer) ? answer : (answer.received ?? answer.requests);
    return requests.filter((request) => request.provider === provider);
  },
};

export const gateway = {
  putVirtualKey: (id, body) => send('PUT', `${GATEWAY_ADMIN}/api/governance/virtual-keys/${id}`, body),
  deleteVirtualKey: (id) =>
    send('DELETE', `${GATEWAY_ADMIN}/api/governance/virtual-keys/${id}`).catch(() => undefined),
  /** The finished log row of one request; rows are written behind the answer. */
  log: (requestId) =>
    eventually(`a log row for ${requestId}`, async () => {
      const answer = await send('GET', `${GATEWAY_ADMIN}/api/logs/${requestId}`).catch(() => null);
      const row = answer?.log ?? answer;
      return row && row.status !== 'processing' && row;
    }),
};

/** Configures the gateway's three providers to speak to the mock. */
async function setUp() {
  for (const provider of GATEWAY_URL ? PROVIDERS : []) {
    const baseUrl = provider === 'gemini' ? `${MOCK_URL}/gemini/v1beta` : `${MOCK_URL}/${provider}`;
    await send('PUT', `${GATEWAY_ADMIN}/api/providers/${provider}`, {
      keys: [{ name: `${provider}-key`, value: KEYS[provider], weight: 1.0 }],
      network_config: { base_url: baseUrl, max_retries: 0 },
      concurrency_and_buffer_size: { concurrency: 1000, buffer_size: 5000 },
    });
  }
}

let ready;

/** One test, on a mock with nothing scripted. */
export function check(name, body, { needsGateway = false, timeout = 60_000 } = {}) {
  const skip = needsGateway && !GATEWAY_URL && 'needs the gateway (GATEWAY_URL)';
  test(name, { skip, timeout }, async () => {
    await (ready ??= setUp());
    await mock.reset();
    await body();
  });
}

/** One test for each of the providers; without a gateway only OpenAI can be asked. */
export function checkEach(name, body, { providers = PROVIDERS, ...options } = {}) {
  for (const provider of providers) {
    const needsGateway = options.needsGateway || provider !== 'openai';
    check(`${name} [${provider}]`, () => body(provider), { ...options, needsGateway });
  }
}
