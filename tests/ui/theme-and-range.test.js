// What a reader chooses: the theme, which the browser remembers, and the range, which the address holds.

import assert from 'node:assert/strict';
import { onPage } from './support/browser.js';
import { createWorld } from './support/world.js';

const world = await createWorld();
await world.gateway.send({ openai: 2 });
await world.gateway.overviewOf(2);

const shown = (page) => page.evaluate(() => document.documentElement.dataset.theme);
const ground = (page) => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
const lightness = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
const range = (page, name) => page.getByRole('radio', { name, exact: true });

onPage(world, 'the theme follows the system until one is chosen', { theme: 'light' }, async ({ page }) => {
  assert.equal(await shown(page), 'light');
  assert.ok(lightness(await ground(page)) > 200);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  assert.ok(lightness(await ground(page)) < 50);
});

onPage(world, 'a chosen theme outlives a reload and the system, and can be given back', { theme: 'light' }, async ({ page }) => {
  await page.getByRole('radio', { name: 'Dark theme' }).check();
  assert.equal(await shown(page), 'dark');
  await page.reload();
  await page.getByTestId('kpi-requests').waitFor();
  assert.equal(await shown(page), 'dark');
  assert.equal(await page.getByRole('radio', { name: 'Dark theme' }).isChecked(), true);
  await page.getByRole('radio', { name: 'System theme' }).check();
  assert.equal(await shown(page), 'light');
});

onPage(world, 'the chosen theme is there before the first paint', { theme: 'light' }, async ({ page }) => {
  await page.getByRole('radio', { name: 'Dark theme' }).check();
  await page.route('**/assets/*.js', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await route.continue();
  });
  await page.reload({ waitUntil: 'commit' });
  await page.waitForFunction(() => document.documentElement?.dataset.theme === 'dark', null, { timeout: 1200 });
  await page.getByTestId('kpi-requests').waitFor();
});

onPage(world, 'the range stands in the address and asks the gateway for it', {}, async ({ page }) => {
  await range(page, '1h').waitFor();
  assert.equal(await range(page, '1h').isChecked(), true);
  const asked = page.waitForRequest((request) => request.url().endsWith('/api/overview?range=24h'));
  await range(page, '24h').check();
  await asked;
  await page.waitForURL('**/?range=24h');
  await page.getByTestId('chart-requests').getByRole('img', { name: /last 24 hours/ }).waitFor();
});

onPage(world, 'an address with a range opens with it, also after a reload', { path: '/?range=7d' }, async ({ page }) => {
  await page.getByTestId('chart-cost').getByRole('img', { name: /last 7 days/ }).waitFor();
  assert.equal(await range(page, '7d').isChecked(), true);
  await page.reload();
  await page.getByTestId('chart-cost').getByRole('img', { name: /last 7 days/ }).waitFor();
});

onPage(world, 'the range goes along to the other page and back, and with the back button', {}, async ({ page }) => {
  await range(page, '6h').check();
  await page.waitForURL('**/?range=6h');
  await page.getByRole('link', { name: 'Virtual keys', exact: true }).click();
  await page.waitForURL('**/virtual-keys?range=6h');
  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  await page.waitForURL('**/?range=6h');
  await range(page, '1h').check();
  await page.waitForURL((url) => url.search === '');
  await page.goBack();
  await page.waitForURL('**/?range=6h');
  assert.equal(await range(page, '6h').isChecked(), true);
});

onPage(world, 'a range that does not exist is the usual one', { path: '/?range=99y' }, async ({ page }) => {
  await page.getByTestId('chart-requests').getByRole('img', { name: /last hour/ }).waitFor();
  assert.equal(await range(page, '1h').isChecked(), true);
});

onPage(world, 'every range draws its chart', {}, async ({ page }) => {
  const names = { '15m': '15 minutes', '1h': 'hour', '6h': '6 hours', '24h': '24 hours', '7d': '7 days', '30d': '30 days' };
  for (const [name, words] of Object.entries(names)) {
    await range(page, name).check();
    await page.getByTestId('chart-requests').getByRole('img', { name: new RegExp(`last ${words}: openai 2`) }).waitFor();
  }
});
