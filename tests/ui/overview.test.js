// The figures of the overview against what was sent, what the API says and what the metrics say.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onPage } from './support/browser.js';
import { MODELS, USAGE } from './support/gateway.js';
import { createWorld } from './support/world.js';

/** Dollars per million tokens in and out, from the vendors' price lists. */
const PRICES = { openai: [0.15, 0.6], anthropic: [0.8, 4], gemini: [0.1, 0.4] };
const SENT = { openai: 6, anthropic: 3, gemini: 2 };
const FAILED_OVER = 4;
const REFUSED = 1;

const costOf = (provider) =>
  (USAGE.input_tokens * PRICES[provider][0] + USAGE.output_tokens * PRICES[provider][1]) / 1e6;
const ANSWERED = { ...SENT, anthropic: SENT.anthropic + FAILED_OVER };
const answered = Object.values(ANSWERED).reduce((sum, count) => sum + count, 0);
const total = answered + REFUSED;
const cost = Object.entries(ANSWERED).reduce((sum, [name, count]) => sum + count * costOf(name), 0);

const world = await createWorld();
const { gateway, mock } = world;
// Apart from one another, so that no line of the latency chart hides another.
const DELAYS = { openai: 40, anthropic: 120, gemini: 250 };
await mock.forget();
for (const [provider, delay_headers_ms] of Object.entries(DELAYS)) {
  await mock.rule({ provider }, { words: 12, usage: USAGE, delay_headers_ms });
}
await gateway.send(SENT);
await mock.forget();
await mock.rule({ provider: 'openai' }, { status: 503 });
await mock.rule({}, { words: 12, usage: USAGE });
for (let at = 0; at < FAILED_OVER; at += 1) {
  const fallbacks = [`anthropic/${MODELS.anthropic}`];
  const answer = await gateway.chat(`openai/${MODELS.openai}`, { fallbacks, stream: at % 2 === 0 });
  assert.equal(answer.headers.get('x-tollbridge-provider'), 'anthropic', answer.text);
}
await mock.usual();
const narrow = await gateway.createKey({
  name: 'economy',
  provider_configs: [{ provider: 'openai', weight: 1, allowed_models: ['gpt-4o'] }],
});
const refused = await gateway.chat('openai/gpt-4o-mini', { key: narrow.value });
assert.equal(refused.status, 403, refused.text);
const overview = await gateway.overviewOf(total);

const near = (actual, expected, what) =>
  assert.ok(Math.abs(actual - expected) <= Math.abs(expected) * 1e-6, `${what}: ${actual}, not ${expected}`);
const moneyIn = (text) => Number(/\$([\d,.]+)/.exec(text)[1].replaceAll(',', ''));

/** The sums of a chart's columns, read from its table: name of the series to sum. */
async function sumsOf(page, chart) {
  const card = page.getByTestId(chart);
  await card.getByRole('button', { name: /as a table$/ }).click();
  const table = card.getByRole('table');
  const names = await table.getByRole('columnheader').allInnerTexts();
  const rows = await table.locator('tbody tr').evaluateAll((all) =>
    all.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent)),
  );
  const number = (text) => (text === '–' ? 0 : Number(text.replace(/[$,]/g, '').split(' ')[0]));
  return Object.fromEntries(
    names.slice(1).map((name, at) => [name, rows.reduce((sum, row) => sum + number(row[at]), 0)]),
  );
}

/** How many pixels of a chart have the colour of a series. */
function painted(page, chart, colour) {
  return page.getByTestId(chart).evaluate((card, variable) => {
    const canvas = card.querySelector('canvas');
    const probe = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
    probe.fillRect(0, 0, 1, 1);
    const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at] === red && data[at + 1] === green && data[at + 2] === blue && data[at + 3] > 0) count += 1;
    }
    return count;
  }, colour);
}

test('the API counts what was sent, and so do the metrics', async () => {
  near(overview.totals.cost, cost, 'cost of the overview');
  near(await gateway.metric('bifrost_cost_total'), cost, 'bifrost_cost_total');
  assert.equal(overview.totals.errors, REFUSED);
  assert.equal(overview.totals.failovers, FAILED_OVER);
  const failovers = { from_provider: 'openai', to_provider: 'anthropic' };
  assert.equal(await gateway.metric('bifrost_failover_total', failovers), FAILED_OVER);
});

onPage(world, 'the key figures are those of what was sent', {}, async ({ page }) => {
  const figure = (name) => page.getByTestId(`kpi-${name}`);
  await figure('requests').getByText(String(total), { exact: true }).waitFor();
  assert.match(await figure('success').innerText(), new RegExp(`${((answered / total) * 100).toFixed(1)} %`));
  assert.match(await figure('success').innerText(), /1 error\b/);
  near(Number(moneyIn(await figure('cost').innerText()).toFixed(4)), Number(cost.toFixed(4)), 'cost');
  const tokens = (answered * (USAGE.input_tokens + USAGE.output_tokens)).toLocaleString('en-US');
  await figure('tokens').getByText(tokens, { exact: true }).waitFor();
  await figure('failovers').getByText(String(FAILED_OVER), { exact: true }).waitFor();
});

onPage(world, 'changes against the window before are shown, and whether they are good news', { path: '/nowhere' }, async ({ page }) => {
  // Nobody can wait an hour for a window before, so it is put into the gateway's answer.
  await page.route('**/api/overview*', async (route) => {
    const answer = await (await route.fetch()).json();
    answer.previous = { ...answer.totals, requests: total * 2, errors: 0, cost: cost / 2, latency_p95_ms: answer.totals.latency_p95_ms * 4 };
    await route.fulfill({ json: answer });
  });
  await page.getByRole('link', { name: 'Go to the overview' }).click();
  const change = (name) => page.getByTestId(`kpi-${name}`).getByTitle(/^Compared with the window/);
  const colour = (name) => change(name).evaluate((element) => getComputedStyle(element).color);
  assert.match(await change('requests').innerText(), /^−50 %/);
  assert.match(await change('cost').innerText(), /^\+100 %/);
  assert.match(await change('latency-p95').innerText(), /^−75 %/);
  assert.match(await change('success').innerText(), new RegExp(`^−${((REFUSED / total) * 100).toFixed(1)} pt`));
  assert.match(await change('latency-p50').innerText(), /^±0 %/);
  assert.notEqual(await colour('latency-p95'), await colour('success'));
});

onPage(world, 'latency and time to the first token are shown with their unit', {}, async ({ page }) => {
  for (const name of ['latency-p50', 'latency-p95', 'first-token']) {
    assert.match(await page.getByTestId(`kpi-${name}`).innerText(), /\d(\.\d+)? (ms|s)\b/, name);
  }
});

onPage(world, 'requests by provider add up to what was sent', {}, async ({ page }) => {
  const label = await page.getByTestId('chart-requests').getByRole('img').getAttribute('aria-label');
  for (const [provider, count] of Object.entries(ANSWERED)) {
    assert.match(label, new RegExp(`${provider} ${count}\\b`));
  }
  const sums = await sumsOf(page, 'chart-requests');
  assert.deepEqual(sums, { ...ANSWERED, 'no provider': REFUSED });
});

onPage(world, 'requests by outcome add up too', {}, async ({ page }) => {
  await page.getByTestId('chart-requests').getByText('Outcome').click();
  const sums = await sumsOf(page, 'chart-requests');
  assert.deepEqual(sums, { Success: answered, 'Client error': REFUSED });
});

onPage(world, 'cost by provider is prices times tokens, and what the metrics say', {}, async ({ page }) => {
  const sums = await sumsOf(page, 'chart-cost');
  assert.deepEqual(Object.keys(sums).sort(), Object.keys(ANSWERED).sort());
  for (const [provider, count] of Object.entries(ANSWERED)) {
    const shown = sums[provider];
    assert.ok(Math.abs(shown - count * costOf(provider)) < 5e-6, `${provider}: ${shown}`);
    near(await gateway.metric('bifrost_cost_total', { provider }), count * costOf(provider), provider);
  }
});

onPage(world, 'latency by provider has a line for each provider, and p50 never above p95', {}, async ({ page }) => {
  const card = page.getByTestId('chart-latency');
  const read = async () => /: (.*)\.$/.exec(await card.getByRole('img').getAttribute('aria-label'))[1];
  const p95 = await read();
  await card.getByText('p50', { exact: true }).click();
  await card.getByRole('heading', { name: 'Latency p50 by provider' }).waitFor();
  for (const provider of Object.keys(ANSWERED)) assert.match(p95, new RegExp(`${provider} at most`));
  const { latency_by_provider: latency } = await gateway.overview();
  for (const [provider, { p50, p95: high }] of Object.entries(latency)) {
    const pairs = p50.map((value, at) => [value, high[at]]).filter(([value]) => value !== null);
    assert.ok(pairs.length > 0, `no latency of ${provider}`);
    for (const [low, top] of pairs) {
      // The histogram rounds, to a few percent.
      assert.ok(low <= top && top >= DELAYS[provider] * 0.95, `${provider}: ${low} and ${top}`);
    }
  }
});

for (const theme of ['light', 'dark']) {
  onPage(world, `the charts are really painted, in the ${theme} theme`, { theme }, async ({ page }) => {
    await page.getByTestId('chart-requests').locator('canvas').waitFor();
    await page.waitForTimeout(300);
    for (const chart of ['chart-requests', 'chart-cost', 'chart-latency']) {
      for (const colour of ['--series-1', '--series-2', '--series-3']) {
        assert.ok((await painted(page, chart, colour)) > 3, `nothing of ${colour} in ${chart}`);
      }
    }
  });
}

onPage(world, 'the legend takes a series out of the chart and puts it back', {}, async ({ page }) => {
  const card = page.getByTestId('chart-requests');
  const entry = card.getByRole('button', { name: 'openai', exact: true });
  await entry.click();
  assert.equal(await entry.getAttribute('aria-pressed'), 'false');
  assert.doesNotMatch(await card.getByRole('img').getAttribute('aria-label'), /openai/);
  assert.equal(await painted(page, 'chart-requests', '--series-3'), 0);
  await entry.click();
  assert.match(await card.getByRole('img').getAttribute('aria-label'), /openai 6/);
});

onPage(world, 'the figures under the mouse are shown', {}, async ({ page }) => {
  const card = page.getByTestId('chart-requests');
  const canvas = card.locator('.u-over');
  await canvas.scrollIntoViewIfNeeded();
  const box = await canvas.boundingBox();
  // The latest minutes are at the right edge.
  const shown = card.getByText(/^\d+ \w+, \d\d:\d\d$/);
  for (let back = 2; back < 60 && !(await shown.count()); back += 4) {
    await page.mouse.move(box.x + box.width - back, box.y + box.height / 2);
  }
  await shown.waitFor();
});

onPage(world, 'a failover is shown with who failed, who took over, how often and why', {}, async ({ page }) => {
  const row = page.getByTestId('failovers').locator('tbody tr');
  await row.first().waitFor();
  assert.equal(await row.count(), 1);
  const text = (await row.innerText()).replace(/\s+/g, ' ');
  assert.match(text, /openai.*anthropic/);
  assert.match(text, new RegExp(`\\b${FAILED_OVER}\\b`));
  assert.match(text, /unavailable \(503\)/);
});

onPage(world, 'the latest requests show the way that each one took', {}, async ({ page }) => {
  const rows = page.getByTestId('recent-requests').locator('tbody tr');
  const [newest, before] = [rows.nth(0), rows.nth(1)];
  assert.match(await newest.innerText(), new RegExp(`✕ ${refused.status}`));
  const text = (await before.innerText()).replace(/\s+/g, ' ');
  assert.match(text, /✓ 200.*openai\/openai-1 ✕ 503.*→.*anthropic\/anthropic-1 ✓/);
  assert.match(text, /900 \/ 350/);
});

onPage(world, 'the latest requests can be narrowed to failovers and to errors', {}, async ({ page }) => {
  const card = page.getByTestId('recent-requests');
  const statuses = () => card.locator('tbody tr td:nth-child(2)').allInnerTexts();
  await card.getByText('Errors', { exact: true }).click();
  assert.deepEqual(await statuses(), ['✕ 403']);
  await card.getByText('Failovers', { exact: true }).click();
  assert.deepEqual(await statuses(), Array(FAILED_OVER).fill('✓ 200'));
  assert.equal(await card.locator('tbody').getByText('openai/openai-1 ✕ 503').count(), FAILED_OVER);
});

onPage(world, 'providers and keys show how many attempts went well', {}, async ({ page }) => {
  const openai = page.getByTestId('key-row-openai-1');
  const { keys } = overview.providers.find(({ name }) => name === 'openai');
  const [{ attempts, failures }] = keys;
  assert.equal(attempts - failures, SENT.openai);
  assert.match(await openai.innerText(), new RegExp(`of ${attempts} attempts succeeded`));
  await page.getByTestId('provider-card-gemini').getByText('Healthy').first().waitFor();
});
