// How the dashboard reaches the browser: small, cached, under a strict policy, and watched.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open, onPage } from './support/browser.js';
import { createWorld } from './support/world.js';

const FIRST_LOAD = 200 * 1024;
const world = await createWorld();
const fetchRaw = (path, headers = {}) => fetch(`${world.gateway.url}${path}`, { headers });

/** Bytes on the wire by kind, as the browser counts them for one visit. */
async function transferred(path) {
  const context = await world.browser.newContext({ baseURL: world.gateway.url });
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  const kinds = new Map();
  const bytes = { Script: 0, Stylesheet: 0 };
  network.on('Network.responseReceived', ({ requestId, type }) => kinds.set(requestId, type));
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const kind = kinds.get(requestId);
    if (kind in bytes) bytes[kind] += encodedDataLength;
  });
  await network.send('Network.enable');
  await page.goto(path, { waitUntil: 'load' });
  await page.getByRole('heading', { level: 1 }).waitFor();
  await context.close();
  return bytes;
}

test('the first load of scripts and styles is at most 200 KB', async () => {
  const { Script, Stylesheet } = await transferred('/');
  assert.ok(Script > 10_000, `only ${Script} bytes of script were seen`);
  assert.ok(Stylesheet > 1_000, `only ${Stylesheet} bytes of styles were seen`);
  assert.ok(Script + Stylesheet <= FIRST_LOAD, `${Script} + ${Stylesheet} bytes`);
});

test('scripts come compressed with brotli and are kept, the page is asked for anew', async () => {
  const page = await fetchRaw('/', { accept: 'text/html' });
  assert.equal(page.headers.get('cache-control'), 'no-cache');
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(await page.text())?.[1];
  assert.ok(script, 'the page names no script under /assets');
  const answer = await fetchRaw(script, { 'accept-encoding': 'br' });
  assert.equal(answer.headers.get('content-encoding'), 'br');
  assert.match(answer.headers.get('cache-control'), /immutable/);
});

test('the policy lets nothing in from outside and no inline script', async () => {
  const policy = (await fetchRaw('/', { accept: 'text/html' })).headers.get('content-security-policy');
  assert.match(policy, /default-src 'self'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe-eval|script-src[^;]*unsafe-inline|https?:/);
});

// The other tests rely on it that nothing goes wrong unseen.
test('what goes wrong on a page is seen by these tests', async () => {
  const { context, page, problems } = await open(world, '/');
  await page.getByTestId('kpi-requests').or(page.getByTestId('empty-first-run')).waitFor();
  assert.deepEqual(problems, []);
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.intruded = true';
    document.body.append(script);
    setTimeout(() => {
      throw new Error('broken on purpose');
    });
    void fetch('http://127.0.0.2:9/').catch(() => {});
    void fetch('/api/nothing');
  });
  await page.waitForTimeout(500);
  assert.equal(await page.evaluate(() => window.intruded), undefined);
  await context.close();
  for (const expected of [/refused by CSP: script-src/, /script error: broken on purpose/, /status of 404/]) {
    assert.ok(problems.some((one) => expected.test(one)), `${expected} not in ${problems.join('\n')}`);
  }
});

onPage(world, 'an address of no page says so and leads back', { path: '/nowhere' }, async ({ page }) => {
  await page.getByRole('heading', { name: 'There is no such page' }).waitFor();
  await page.getByRole('link', { name: 'Go to the overview' }).click();
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/');
});
