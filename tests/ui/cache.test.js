// The cache page and what the other pages say of the cache: empty, filled by real requests, cleared, set.

import assert from 'node:assert/strict';
import { barriers, getsTheFocus, onPage, overflowing } from './support/browser.js';
import { MODELS, USAGE } from './support/gateway.js';
import { createWorld } from './support/world.js';

const WIDTHS = { 1440: 900, 390: 844 };
const NARROWEST = 360;
const MODEL = `openai/${MODELS.openai}`;
const PLUGIN = '/api/plugins/semantic_cache';
const KEYS = '/api/governance/virtual-keys';
/** One answer of gpt-4o-mini in dollars. */
const PRICE = (USAGE.input_tokens * 0.15 + USAGE.output_tokens * 0.6) / 1e6;
const EMBEDDING = { provider: 'openai', embedding_model: 'text-embedding-3-small' };

const world = await createWorld();
const { gateway, mock } = world;
const fresh = await world.another('fresh');
await fresh.gateway.addProvider('openai', mock);
await fresh.gateway.send({ openai: 1 });
await mock.forget();
await mock.rule({}, { words: 12, usage: USAGE, delay_headers_ms: 20 });
await gateway.api('PUT', PLUGIN, { enabled: true, config: { ...EMBEDDING, ttl: 3600 } });
const support = await gateway.createKey({ name: 'support', semantic_cache: true });
const strict = await gateway.createKey({ name: 'strict', semantic_cache: { enabled: true, threshold: 0.97, ttl: 60 } });
await gateway.createKey({ name: 'plain' });
const hits = await fill();

/** A question of the support key; its answer, its id in the cache and what the cache says of it. */
async function ask(content, more = {}) {
  const messages = [{ role: 'user', content }];
  const answer = await gateway.chat(MODEL, { key: support.value, messages, ...more });
  assert.equal(answer.status, 200, answer.text);
  const debug = JSON.parse(answer.text).extra_fields?.cache_debug ?? {};
  return { debug, said: answer.headers.get('cache-status') ?? '' };
}

/**
 * Exact hits, a semantic one, misses, a rejection by the guard and requests past the cache. The mock's
 * vectors follow from the text like dice, so other words are tried until the dice fall right.
 */
async function fill() {
  const loose = { headers: { 'x-bf-cache-threshold': '0.001' } };
  const first = 'How do I reset my password?';
  await ask(first);
  let semantic;
  for (const words of ['How can I reset my password?', 'How do I reset my password, please?', 'Please, how do I reset my password?', 'how to reset my password?', 'Tell me how I reset my password.', 'How could I reset my password?']) {
    semantic = await ask(words, loose);
    if (semantic.debug.hit_type === 'semantic') break;
  }
  assert.equal(semantic.debug.hit_type, 'semantic', JSON.stringify(semantic));
  for (const polite of ['', ', please', ' now', ' today, please', ' at once']) {
    await ask(`Do not reset my password${polite}.`, loose);
    if (Object.keys((await gateway.api('GET', '/api/cache')).rejected).length > 0) break;
  }
  await ask('Write a poem.', { temperature: 1.5 });
  await ask('Write a poem.', { temperature: 1.2 });
  await ask('Write two.', { n: 2 });
  const exact = [await ask(first), await ask(first)];
  assert.ok(exact.every(({ debug }) => debug.hit_type === 'direct'), JSON.stringify(exact));
  const status = await gateway.api('GET', '/api/cache');
  return { id: exact[0].debug.cache_id, exact: 2, semantic: status.semantic_hits, misses: status.misses, question: first };
}

const cachePage = { path: '/cache' };
const card = (page, name) => page.getByTestId(`cache-${name}`);
const config = async () => (await gateway.api('GET', '/api/cache')).config;

onPage(fresh, 'a cache that nobody uses says how to switch it on', cachePage, async ({ page }) => {
  const empty = page.getByTestId('empty-cache');
  await empty.getByRole('heading', { name: 'No virtual key uses the cache yet' }).waitFor();
  const command = await empty.locator('pre').innerText();
  assert.match(command, new RegExp(`^curl -X PUT ${fresh.gateway.url}/api/governance/virtual-keys/`));
  assert.match(command, /"semantic_cache": true/);
  assert.match(await card(page, 'state').innerText(), /Exact hits only: no embedding model/);
  assert.equal(await page.getByTestId('kpi-cache-hit-rate').count(), 0, 'a hit rate of nothing is shown');
  await empty.getByRole('link', { name: 'Choose a virtual key' }).click();
  await page.waitForURL('**/virtual-keys');
});

onPage(fresh, 'an overview without the cache does not speak of it', {}, async ({ page }) => {
  await page.getByTestId('kpi-requests').waitFor();
  assert.equal(await page.getByTestId('kpi-cache-hit-rate').count(), 0);
  assert.equal(await page.getByTestId('chart-cache').count(), 0);
});

onPage(world, 'the figures are those of what was asked', cachePage, async ({ page }) => {
  const served = hits.exact + hits.semantic;
  const rate = page.getByTestId('kpi-cache-hit-rate');
  await rate.getByText(`${served} of ${served + hits.misses}`).waitFor();
  const percent = Number(((served / (served + hits.misses)) * 100).toFixed(1));
  assert.match(await rate.innerText(), new RegExp(`${String(percent).replace('.', '\\.')} %`));
  const saved = await page.getByTestId('kpi-saved-cost').innerText();
  const dollars = Number(/\$([\d.]+)/.exec(saved)[1]);
  assert.ok(Math.abs(dollars - served * PRICE) < 1e-5, `${saved}, not ${served * PRICE}`);
  const chart = page.getByTestId('chart-cache');
  await chart.getByRole('img', { name: new RegExp(`exact 2, semantic ${hits.semantic}, miss ${hits.misses}; \\$`) }).waitFor();
  const state = (await card(page, 'state').innerText()).replace(/\s+/g, ' ');
  for (const words of [/openai\/text-embedding-3-small/, /memory Connected/, /2 virtual keys have it on/, /Kept for 1 h/, /Threshold 0\.80/]) {
    assert.match(state, words);
  }
});

onPage(world, 'why requests went past the cache, and what the guard rejected', cachePage, async ({ page }) => {
  const row = (name, words) => card(page, name).getByRole('row').filter({ hasText: words });
  assert.match(await row('past', 'temperature').innerText(), /2/);
  assert.match(await row('past', 'more than one answer').innerText(), /1/);
  await row('rejected', 'One says “not”').waitFor();
});

onPage(world, 'the overview has the hit rate, the chart and chips instead of routes', {}, async ({ page }) => {
  await page.getByTestId('kpi-cache-hit-rate').waitFor();
  await page.getByTestId('kpi-cache-saved').waitFor();
  await page.getByTestId('chart-cache').locator('canvas').waitFor();
  const recent = page.getByTestId('recent-requests');
  assert.equal(await recent.getByRole('row').filter({ hasText: 'cache · exact' }).count(), 2);
  assert.equal(await recent.getByRole('row').filter({ hasText: 'cache · semantic' }).count(), hits.semantic);
  const requests = page.getByTestId('chart-requests');
  await requests.getByRole('button', { name: 'from the cache' }).waitFor();
  assert.equal(await requests.getByRole('button', { name: 'no provider' }).count(), 0);
});

onPage(world, 'an entry is found by its id, and the address leads to it', cachePage, async ({ page }) => {
  await card(page, 'look-up').getByLabel('Id').fill(hits.id);
  await card(page, 'look-up').getByLabel('Id').press('Enter');
  await card(page, 'look-up').getByText(hits.question).waitFor();
  assert.match(await card(page, 'look-up').innerText(), new RegExp(`virtual_key:${support.id}`));
  assert.equal(new URL(page.url()).searchParams.get('entry'), hits.id);
  await page.reload();
  await card(page, 'look-up').getByText(hits.question).waitFor();
});

onPage(world, 'an id that nobody knows is answered in words', { path: '/cache?entry=nonsense', allowed: [/status of 4\d\d/] }, async ({ page }) => {
  await card(page, 'look-up').getByText(/must be the `?cache_id/).waitFor();
});

onPage(world, 'settings: wrong values are named, right ones hold and leave the others alone', cachePage, async ({ page }) => {
  await page.getByRole('button', { name: 'Change settings' }).click();
  const dialog = page.getByRole('dialog', { name: 'Settings of the cache' });
  await dialog.getByLabel('Threshold').fill('7');
  await dialog.getByRole('button', { name: 'Save settings' }).click();
  await dialog.getByText('Give a number from 0 to 1.').waitFor();
  await getsTheFocus(dialog.getByLabel('Threshold'));
  await dialog.getByLabel('Threshold').fill('0.9');
  await dialog.getByLabel('Kept for').fill('2h');
  await dialog.getByLabel('Shared by').selectOption('team');
  await dialog.getByLabel('Highest temperature').fill('0.3');
  await dialog.getByLabel('Judge model').fill('openai/gpt-4o-mini');
  await dialog.getByRole('button', { name: 'Save settings' }).click();
  await dialog.waitFor({ state: 'detached' });
  await card(page, 'state').getByText('0.90; from 0.35 if openai/gpt-4o-mini agrees').waitFor();
  const { threshold, ttl, scope, max_temperature, judge_model, provider } = await config();
  assert.deepEqual(
    { threshold, ttl, scope, max_temperature, judge_model, provider },
    { threshold: 0.9, ttl: 7200, scope: 'team', max_temperature: 0.3, judge_model: 'openai/gpt-4o-mini', provider: 'openai' },
  );
});

onPage(world, 'settings: the gateway’s complaint stands at its field', { ...cachePage, allowed: [/status of 400/] }, async ({ page }) => {
  await page.getByRole('button', { name: 'Change settings' }).click();
  const dialog = page.getByRole('dialog', { name: 'Settings of the cache' });
  await dialog.getByLabel('Judge model').fill('gpt');
  await dialog.getByRole('button', { name: 'Save settings' }).click();
  await dialog.getByText('must name its provider').waitFor();
  assert.equal(await dialog.getByLabel('Judge model').getAttribute('aria-invalid'), 'true');
});

onPage(world, 'switching off and on again keeps the settings', cachePage, async ({ page }) => {
  await card(page, 'state').getByRole('button', { name: 'Switch off' }).click();
  await card(page, 'state').getByText('No request uses it, whatever').waitFor();
  assert.equal((await gateway.api('GET', '/api/cache')).enabled, false);
  assert.equal((await ask(hits.question)).debug.cache_hit, undefined);
  await card(page, 'state').getByRole('button', { name: 'Switch on' }).click();
  await card(page, 'state').getByText('2 virtual keys have it on').waitFor();
  assert.equal((await config()).provider, 'openai');
});

/** What weeks of shadow mode would bring. */
const REPORT = {
  graded: 412,
  suggested_threshold: 0.86,
  thresholds: Array.from({ length: 25 }, (_, step) => {
    const threshold = 0.5 + step * 0.02;
    const [hits, unguarded] = [412 - step * 14, 520 - step * 17];
    const [wrong, wrongUnguarded] = [threshold < 0.855 ? 30 - step : 1, 130 - step * 4];
    return {
      threshold, hits, graded: hits, false_hits: wrong, false_hit_rate: wrong / hits,
      hits_unguarded: unguarded, false_hits_unguarded: wrongUnguarded, false_hit_rate_unguarded: wrongUnguarded / unguarded,
    };
  }),
};
const withReport = (page) => page.route('**/api/cache/report', (route) => route.fulfill({ json: REPORT }));

onPage(world, 'the suggested threshold is taken over with one button', cachePage, async ({ page }) => {
  await withReport(page);
  await page.reload();
  const shadow = card(page, 'shadow');
  await shadow.getByText('412 would-be hits graded. From 0.86 on').waitFor();
  await shadow.getByRole('img', { name: /with the guard at least .*0\.86 is suggested/ }).waitFor();
  await shadow.getByRole('button', { name: 'Use 0.86' }).click();
  await shadow.getByText('The threshold in force is the suggested one.').waitFor();
  const { threshold, provider, scope } = await config();
  assert.deepEqual({ threshold, provider, scope }, { threshold: 0.86, provider: 'openai', scope: 'team' });
});

onPage(world, 'shadow mode begins with one button and grades real answers', cachePage, async ({ page }) => {
  await card(page, 'shadow').getByRole('button', { name: 'Start shadow mode' }).click();
  await card(page, 'shadow').getByText('Shadow mode is on.').waitFor();
  assert.equal((await config()).mode, 'shadow');
  assert.equal((await ask(hits.question)).debug.cache_hit ?? false, false);
  // Only similar questions are graded, and the mock's vectors are dice: enough of them fall right.
  for (let at = 0; at < 12; at += 1) await ask(`How do I reset my password${', please'.repeat(at % 2)}${'?'.repeat(at + 1)}`);
  await card(page, 'shadow').getByText(/would-be hits? graded/).waitFor({ timeout: 20_000 });
  await card(page, 'shadow').getByRole('button', { name: 'Forget grades' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Forget them' }).click();
  await card(page, 'shadow').getByText('Shadow mode is on.').waitFor();
  await gateway.api('PUT', PLUGIN, { config: { ...EMBEDDING, ttl: 3600 } });
});

onPage(world, 'clearing asks first, says how much went, and the next request is a miss', cachePage, async ({ page }) => {
  await ask(hits.question);
  const { entries } = await gateway.api('GET', '/api/cache');
  assert.ok(entries > 0);
  const clear = card(page, 'clear');
  await clear.getByLabel('What').selectOption('scope');
  assert.equal(await clear.getByRole('button', { name: 'Clear' }).isDisabled(), true);
  await clear.getByLabel('Scope').fill('virtual_key:nobody');
  await clear.getByRole('button', { name: 'Clear' }).click();
  const dialog = page.getByRole('dialog', { name: 'Clear a scope?' });
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.waitFor({ state: 'detached' });
  await clear.getByRole('button', { name: 'Clear' }).click();
  await page.getByRole('button', { name: 'Clear now' }).click();
  await clear.getByText('0 entries removed.').waitFor();
  await clear.getByLabel('What').selectOption('everything');
  await clear.getByRole('button', { name: 'Clear' }).click();
  await page.getByRole('dialog', { name: 'Clear the whole cache?' }).getByRole('button', { name: 'Clear now' }).click();
  await clear.getByText(/[1-9]\d* entr(y|ies) removed\./).waitFor();
  assert.equal((await gateway.api('GET', '/api/cache')).entries, 0);
  assert.match((await ask(hits.question)).said, /fwd=miss/);
});

onPage(world, 'a key is created with the cache on, and its sheet switches it', { path: '/virtual-keys?create=true' }, async ({ page }) => {
  const dialog = page.getByRole('dialog', { name: 'Create a virtual key' });
  await dialog.getByLabel('Name', { exact: true }).fill('cached');
  await dialog.getByRole('radio', { name: 'On' }).check();
  await dialog.getByText('Every request of the key uses it').waitFor();
  await dialog.getByRole('button', { name: 'Create key' }).click();
  await page.getByRole('button', { name: 'I have stored it' }).click();
  const named = async () => (await gateway.api('GET', `${KEYS}?search=cached`)).virtual_keys[0];
  const made = await named();
  assert.equal(made.semantic_cache, true);
  await page.goto(`/virtual-keys?key=${made.id}`);
  const sheet = page.getByRole('dialog', { name: 'cached' });
  for (const [label, expected] of [['Off', false], ['Inherit', null], ['On', true]]) {
    const written = page.waitForResponse((answer) => answer.request().method() === 'PUT');
    await sheet.getByRole('radio', { name: label }).check();
    await written;
    assert.equal((await named()).semantic_cache, expected, label);
  }
});

onPage(world, 'a key’s own settings outlast being switched off', { path: `/virtual-keys?key=${strict.id}` }, async ({ page }) => {
  const sheet = page.getByRole('dialog', { name: 'strict' });
  await sheet.getByText('Its own settings: threshold 0.97, kept for 1 min.').waitFor();
  const written = page.waitForResponse((answer) => answer.request().method() === 'PUT');
  await sheet.getByRole('radio', { name: 'Off' }).check();
  await written;
  const { virtual_key: key } = await gateway.api('GET', `${KEYS}/${strict.id}`);
  assert.deepEqual(key.semantic_cache, { enabled: false, threshold: 0.97, ttl: 60 });
});

const STATES = [
  { name: 'cache-empty', in: fresh, path: '/cache', ready: (page) => page.getByTestId('empty-cache').waitFor() },
  {
    name: 'cache-filled',
    in: world,
    path: '/cache',
    ready: async (page) => {
      await withReport(page);
      await page.reload();
      await page.getByTestId('chart-cache').locator('canvas').waitFor();
      await card(page, 'shadow').getByRole('button', { name: 'Use 0.86' }).waitFor();
      await ask(hits.question);
      const { debug } = await ask(hits.question);
      await card(page, 'look-up').getByLabel('Id').fill(debug.cache_id);
      await card(page, 'look-up').getByRole('button', { name: 'Look up' }).click();
      await card(page, 'look-up').getByText(hits.question).waitFor();
    },
  },
  {
    name: 'cache-settings',
    in: world,
    path: '/cache',
    ready: async (page) => {
      await page.getByRole('button', { name: 'Change settings' }).click();
      await page.getByLabel('Threshold').fill('seven');
      await page.getByRole('button', { name: 'Save settings' }).click();
      await page.getByText('Give a number from 0 to 1.').waitFor();
    },
  },
  {
    name: 'cache-clear',
    in: world,
    path: '/cache',
    ready: async (page) => {
      await card(page, 'clear').getByRole('button', { name: 'Clear' }).click();
      await page.getByRole('dialog', { name: 'Clear the whole cache?' }).waitFor();
    },
  },
  {
    name: 'cache-overview',
    in: world,
    path: '/',
    ready: async (page) => {
      await page.getByTestId('chart-cache').locator('canvas').waitFor();
      await page.getByTestId('recent-requests').getByText('cache · exact').filter({ visible: true }).first().waitFor();
    },
  },
  {
    name: 'cache-key',
    in: world,
    path: `/virtual-keys?key=${strict.id}`,
    ready: (page) => page.getByRole('dialog', { name: 'strict' }).getByText('Its own settings').waitFor(),
  },
];

for (const state of STATES) {
  for (const [width, height] of Object.entries(WIDTHS)) {
    for (const theme of ['light', 'dark']) {
      const settings = { path: state.path, width: Number(width), height, theme };
      onPage(state.in, `${state.name} at ${width}, ${theme}: no barrier, nothing sticks out`, settings, async ({ page }) => {
        await state.ready(page);
        await page.waitForTimeout(250);
        const isPage = (await page.getByRole('dialog').count()) === 0;
        await page.screenshot({ path: `screenshots/${state.name}-${width}-${theme}.png`, fullPage: isPage });
        assert.deepEqual(await barriers(page), []);
        assert.deepEqual(await overflowing(page), []);
      });
    }
  }
  onPage(state.in, `${state.name} at ${NARROWEST}: nothing sticks out`, { path: state.path, width: NARROWEST, height: 740 }, async ({ page }) => {
    await state.ready(page);
    assert.deepEqual(await overflowing(page), []);
  });
}
