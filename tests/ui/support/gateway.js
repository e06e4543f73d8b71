// The gateway and the mock as their operator sees them.

import assert from 'node:assert/strict';

export const MODELS = {
  openai: 'gpt-4o-mini',
  anthropic: 'claude-3-5-haiku-20241022',
  gemini: 'gemini-2.0-flash',
};
export const PROVIDERS = Object.keys(MODELS);
/** What every answer of the mock tells of, unless a rule says otherwise. */
export const USAGE = { input_tokens: 900, output_tokens: 350 };

export class Mock {
  constructor(url) {
    this.url = url;
  }

  baseUrl(provider) {
    return provider === 'gemini' ? `${this.url}/gemini/v1beta` : `${this.url}/${provider}`;
  }

  /** Requests that match `when` get `reply`; rules given earlier come first. */
  async rule(when, reply, times) {
    const rule = { when, reply, ...(times === undefined ? {} : { times }) };
    await json('POST', `${this.url}/_mock/rules`, rule);
  }

  async forget() {
    await json('DELETE', `${this.url}/_mock/rules`);
  }

  /** Every answer of the same size from here on, so that cost and tokens can be foretold. */
  async usual() {
    await this.forget();
    await this.rule({}, { words: 12, usage: USAGE });
  }
}

export class Gateway {
  constructor(url, password) {
    this.url = url;
    this.headers = password ? { authorization: `Basic ${btoa(password)}` } : {};
  }

  api(method, path, body) {
    return json(method, `${this.url}${path}`, body, this.headers);
  }

  /** A provider that speaks to the mock, with as many keys as names are given. */
  addProvider(name, mock, keyNames = [`${name}-1`], network = {}) {
    const keys = keyNames.map((key) => ({ name: key, value: `sk-${key}`, weight: 1 }));
    const base = { base_url: mock.baseUrl(name), max_retries: 0 };
    const body = { keys, network_config: { ...base, ...network } };
    return this.api('PUT', `/api/providers/${encodeURIComponent(name)}`, body);
  }

  async addProviders(mock) {
    for (const name of PROVIDERS) await this.addProvider(name, mock);
  }

  /** Generates a key; answers its secret. */
  async createKey(body) {
    return (await this.api('POST', '/api/governance/virtual-keys', body)).virtual_key;
  }

  /** One chat completion; answers status, body and headers. */
  async chat(model, { key, headers: own = {}, ...more } = {}) {
    const body = { model, messages: [{ role: 'user', content: 'Hello!' }], ...more };
    const headers = { 'content-type': 'application/json', ...own };
    if (key) headers.authorization = `Bearer ${key}`;
    const answer = await fetch(`${this.url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text };
  }

  /** As many requests as `counts` says for each provider, every one of which must be answered. */
  async send(counts, options) {
    for (const [provider, count] of Object.entries(counts)) {
      for (let at = 0; at < count; at += 1) {
        const answer = await this.chat(`${provider}/${MODELS[provider]}`, options);
        assert.equal(answer.status, 200, answer.text);
      }
    }
  }

  overview(range = '1h') {
    return this.api('GET', `/api/overview?range=${range}`);
  }

  /** The overview once it counts so many requests; rows are written behind the answers. */
  async overviewOf(requests, range) {
    const deadline = Date.now() + 10_000;
    let overview;
    do {
      overview = await this.overview(range);
      if (overview.totals.requests === requests) return overview;
      await new Promise((resolve) => setTimeout(resolve, 100));
    } while (Date.now() < deadline);
    return assert.fail(`${overview.totals.requests} requests counted, not ${requests}`);
  }

  /** The sum of a metric over all series that carry `labels`. */
  async metric(name, labels = {}) {
    const answer = await fetch(`${this.url}/metrics`);
    const lines = (await answer.text()).split('\n').filter((line) => line.startsWith(`${name}{`));
    assert.ok(lines.length > 0, `no series of ${name}`);
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const chosen = lines.filter((line) => wanted.every((label) => line.includes(label)));
    return chosen.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }
}

async function json(method, url, body, headers = {}) {
  const answer = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${url} answered ${answer.status}: ${text.slice(0, 500)}`);
  return text ? JSON.parse(text) : null;
}
