// What changes is shown by itself: no reload, no new page.

import assert from 'node:assert/strict';
import { onPage } from './support/browser.js';
import { MODELS } from './support/gateway.js';
import { createWorld } from './support/world.js';

const SOON = { timeout: 4000 };
const world = await createWorld();
const { gateway, mock } = world;
await gateway.send({ openai: 1 });
await gateway.overviewOf(1);

/** Runs `change` and fails if the page was left or loaded anew in the course of it. */
async function withoutReload(page, change) {
  let navigations = 0;
  page.on('framenavigated', () => {
    navigations += 1;
  });
  await page.evaluate(() => {
    window.sameDocument = true;
  });
  await change();
  assert.equal(await page.evaluate(() => window.sameDocument), true, 'the page was loaded anew');
  assert.equal(navigations, 0);
}

const count = async (page) => Number((await page.getByTestId('kpi-requests').locator('p').first().innerText()).trim());

onPage(world, 'a new request appears within seconds', {}, async ({ page }) => {
  await page.getByTestId('live-indicator').getByText('Live', { exact: true }).waitFor();
  const before = await count(page);
  await withoutReload(page, async () => {
    await gateway.send({ gemini: 1 });
    await page.getByTestId('kpi-requests').getByText(String(before + 1), { exact: true }).waitFor(SOON);
    const newest = page.getByTestId('recent-requests').locator('tbody tr').first();
    await newest.getByText('gemini/gemini-1').waitFor(SOON);
    const label = await page.getByTestId('chart-requests').getByRole('img').getAttribute('aria-label');
    assert.match(label, /gemini 1\b/);
  });
});

onPage(world, 'a failing provider shows at once', {}, async ({ page }) => {
  await page.getByTestId('live-indicator').getByText('Live', { exact: true }).waitFor();
  await mock.forget();
  // Only once, so that the tests after this one are none the worse.
  await mock.rule({ provider: 'openai' }, { status: 500 }, 1);
  await withoutReload(page, async () => {
    const answer = await gateway.chat(`openai/${MODELS.openai}`, { fallbacks: [`gemini/${MODELS.gemini}`] });
    assert.equal(answer.status, 200, answer.text);
    await page.getByTestId('failovers').getByText('server error (500)').waitFor(SOON);
    await page.getByTestId('key-row-openai-1').getByText(/server.error.*500/i).waitFor(SOON);
  });
});

onPage(world, 'a provider that is added appears', {}, async ({ page }) => {
  await page.getByTestId('provider-card-openai').waitFor();
  assert.equal(await page.getByTestId('provider-card-groq').count(), 0);
  await withoutReload(page, async () => {
    await gateway.addProvider('groq', mock);
    await page.getByTestId('provider-card-groq').waitFor(SOON);
  });
});

onPage(world, 'a virtual key made elsewhere appears in the list, and its spending moves the bar', { path: '/virtual-keys' }, async ({ page }) => {
  await page.getByTestId('live-indicator').getByText('Live', { exact: true }).waitFor();
  await withoutReload(page, async () => {
    const key = await gateway.createKey({ name: 'made-elsewhere', rate_limit: { request_max_limit: 4, request_reset_duration: '1h' } });
    const row = page.getByTestId(`vk-row-${key.id}`);
    await row.getByText('0 of 4 requests').waitFor(SOON);
    await gateway.send({ openai: 1 }, { key: key.value });
    await row.getByText('1 of 4 requests').waitFor(SOON);
    assert.equal(await row.getByRole('meter').getAttribute('aria-valuenow'), '25');
    await gateway.api('DELETE', `/api/governance/virtual-keys/${key.id}`);
    await row.waitFor({ state: 'detached', ...SOON });
  });
});
