// The gateway goes away and comes back while somebody looks at it.

import assert from 'node:assert/strict';
import { onPage } from './support/browser.js';
import { createWorld } from './support/world.js';

const world = await createWorld();
const { gateway } = world;
await gateway.send({ openai: 3 });
await gateway.overviewOf(3);
const allowed = [/ERR_CONNECTION_REFUSED/, /ERR_INCOMPLETE_CHUNKED_ENCODING/, /ERR_EMPTY_RESPONSE/, /ERR_CONNECTION_RESET/];

onPage(world, 'the page says that the gateway is gone, keeps its figures, and recovers by itself', { allowed }, async ({ page }) => {
  const indicator = page.getByTestId('live-indicator');
  await indicator.getByText('Live', { exact: true }).waitFor();
  await world.stopGateway();
  await indicator.getByText('Reconnecting').waitFor({ timeout: 5000 });
  const alert = page.getByRole('alert');
  await alert.getByText('The gateway does not answer. Is it running?').waitFor({ timeout: 12_000 });
  assert.match(await alert.innerText(), /from before/);
  await page.getByTestId('kpi-requests').getByText('3', { exact: true }).waitFor();

  await world.startGatewayAgain();
  await indicator.getByText('Live', { exact: true }).waitFor({ timeout: 15_000 });
  await alert.waitFor({ state: 'detached', timeout: 15_000 });
  await gateway.send({ openai: 1 });
  await page.getByTestId('kpi-requests').getByText('4', { exact: true }).waitFor();
});

onPage(world, 'what is typed survives, and creating says why it failed', { path: '/virtual-keys?create=true', allowed }, async ({ page }) => {
  const dialog = page.getByRole('dialog', { name: 'Create a virtual key' });
  await dialog.getByLabel('Name', { exact: true }).fill('during-outage');
  await world.stopGateway();
  await dialog.getByRole('button', { name: 'Create key' }).click();
  await dialog.getByRole('alert').getByText('The gateway does not answer. Is it running?').waitFor();
  assert.equal(await dialog.getByLabel('Name', { exact: true }).inputValue(), 'during-outage');
  await world.startGatewayAgain();
  await dialog.getByRole('button', { name: 'Create key' }).click();
  await page.getByRole('dialog', { name: 'The key of during-outage' }).waitFor();
});

onPage(world, 'opened while the gateway answers with faults, it says so and recovers', { path: '/nowhere', allowed: [/status of 50[03]/] }, async ({ page }) => {
  await page.getByRole('heading', { name: 'There is no such page' }).waitFor();
  let broken = true;
  await page.route('**/api/overview*', (route) =>
    broken ? route.fulfill({ status: 503, contentType: 'text/html', body: '<h1>proxy</h1>' }) : route.continue(),
  );
  await page.getByRole('link', { name: 'Go to the overview' }).click();
  await page.getByRole('alert').getByText('The gateway answered with status 503.').waitFor();
  // Mended by the click itself: the page asks again by itself too, and would take the button away.
  await page.exposeFunction('mend', () => {
    broken = false;
  });
  await page.evaluate(() => addEventListener('click', () => window.mend(), { capture: true, once: true }));
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByTestId('kpi-requests').waitFor();
  assert.equal(await page.getByRole('alert').count(), 0);
});
