// What a newcomer sees: an empty gateway, then a provider, then the first request.

import assert from 'node:assert/strict';
import { onPage } from './support/browser.js';
import { createWorld } from './support/world.js';

const world = await createWorld({ providers: false });
const { gateway, mock } = world;
const fresh = await world.another('provider-only');
await fresh.gateway.addProvider('openai', mock);
const steps = (page) => page.getByTestId('empty-first-run');

onPage(world, 'an empty gateway says how to add a provider, with its own address', {}, async ({ page }) => {
  await steps(page).getByRole('heading', { name: 'Add a provider' }).waitFor();
  const command = await steps(page).locator('pre').first().innerText();
  assert.match(command, new RegExp(`^curl ${gateway.url}/api/providers`));
  assert.match(await steps(page).innerText(), /OPENAI_API_KEY/);
  assert.equal(await page.getByTestId('kpi-requests').count(), 0, 'figures of nothing are shown');
});

onPage(world, 'the commands can be copied', { permissions: ['clipboard-read', 'clipboard-write'] }, async ({ page }) => {
  const button = steps(page).getByRole('button', { name: 'Copy Add OpenAI with curl' });
  await button.click();
  await button.getByText('Copied').waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, await steps(page).locator('pre').first().textContent());
});

onPage(world, 'without virtual keys their page says what they are for', { path: '/virtual-keys' }, async ({ page }) => {
  await page.getByRole('heading', { name: 'There are no virtual keys yet' }).waitFor();
  await page.getByRole('button', { name: 'Create the first key' }).click();
  await page.getByRole('dialog', { name: 'Create a virtual key' }).waitFor();
});

onPage(world, 'the steps are ticked off as they are done, without a reload', {}, async ({ page }) => {
  await steps(page).waitFor();
  await page.evaluate(() => {
    window.sameDocument = true;
  });
  await gateway.addProvider('anthropic', mock);
  await steps(page).getByText('anthropic is configured.').waitFor();
  await steps(page).getByText('Waiting for the first request').waitFor();
  const command = await steps(page).locator('pre').first().innerText();
  assert.match(command, /"model": "anthropic\/claude-/, 'the example names a model of the provider');

  await gateway.send({ anthropic: 1 });
  await page.getByTestId('kpi-requests').getByText('1', { exact: true }).waitFor();
  assert.equal(await steps(page).count(), 0);
  assert.equal(await page.evaluate(() => window.sameDocument), true);
});

onPage(fresh, 'a gateway with a provider and no traffic says how to send the first request', {}, async ({ page }) => {
  await steps(page).getByText('openai is configured.').waitFor();
  await steps(page).getByText('Waiting for the first request').waitFor();
  assert.match(await steps(page).innerText(), new RegExp(`${fresh.gateway.url}/v1`));
});

onPage(fresh, 'the figures can be looked at before there are any, and say that there are none', {}, async ({ page }) => {
  await page.getByRole('button', { name: 'Show the overview now' }).click();
  for (const chart of ['chart-requests', 'chart-cost', 'chart-latency']) {
    await page.getByTestId(chart).getByText('No requests in this range').waitFor();
  }
  await page.getByTestId('failovers').getByText('No failover in this range').waitFor();
  await page.getByTestId('key-row-openai-1').getByText('No traffic yet').waitFor();
});

onPage(fresh, 'the example that is shown works as it is printed', {}, async ({ page }) => {
  const command = await steps(page).locator('pre').first().innerText();
  const [, url] = /^curl (\S+)/.exec(command);
  const [, body] = /-d '(.*)'$/s.exec(command);
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url, { method: 'POST', headers, body });
  assert.equal(answer.status, 200, await answer.text());
  await page.getByTestId('recent-requests').waitFor();
});
