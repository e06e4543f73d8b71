// The way in when `governance.auth_config` asks for a password.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barriers, onPage, overflowing } from './support/browser.js';
import { createWorld } from './support/world.js';

const USER = 'admin';
const PASSWORD = 'pässword:with colon';
const utf8 = (text) => String.fromCharCode(...new TextEncoder().encode(text));
const config = { governance: { auth_config: { is_enabled: true, admin_username: USER, admin_password: PASSWORD } } };
const world = await createWorld({ config, password: utf8(`${USER}:${PASSWORD}`) });
await world.gateway.send({ openai: 1 });
await world.gateway.createKey({ name: 'hidden-key' });
const refused = { allowed: [/status of 401/] };

const fill = async (page, user, password) => {
  await page.getByLabel('User name').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
};

test('without the password the API answers nothing', async () => {
  for (const path of ['/api/overview', '/api/live', '/api/governance/virtual-keys', '/api/providers']) {
    assert.equal((await fetch(`${world.gateway.url}${path}`)).status, 401, path);
  }
});

onPage(world, 'the dashboard asks for the password and shows nothing before it', {}, async ({ page }) => {
  await page.getByRole('heading', { name: 'Sign in to Tollbridge' }).waitFor();
  assert.match(await page.title(), /Sign in/);
  const text = await page.locator('body').innerText();
  assert.doesNotMatch(text, /openai|hidden-key|Requests/);
  assert.equal(await page.getByTestId('kpi-requests').count(), 0);
});

onPage(world, 'a wrong password is named as the trouble, and the form stays', refused, async ({ page }) => {
  await fill(page, USER, 'wrong');
  await page.getByRole('alert').getByText('The name or the password is wrong.').waitFor();
  assert.equal(await page.getByTestId('kpi-requests').count(), 0);
  assert.equal(await page.getByLabel('User name').inputValue(), USER);
  assert.equal(await page.getByRole('button', { name: 'Sign in' }).isEnabled(), true);
});

onPage(world, 'the right one lets in, also after a wrong one, and stays over a reload', refused, async ({ page }) => {
  await fill(page, USER, 'wrong');
  await page.getByRole('alert').waitFor();
  await fill(page, USER, PASSWORD);
  await page.getByTestId('kpi-requests').getByText('1', { exact: true }).waitFor();
  await page.getByTestId('live-indicator').getByText('Live', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Virtual keys', exact: true }).click();
  await page.getByRole('button', { name: 'hidden-key' }).waitFor();
  await page.reload();
  await page.getByRole('button', { name: 'hidden-key' }).waitFor();
});

onPage(world, 'a signed-in reader can change things', refused, async ({ page }) => {
  await fill(page, USER, PASSWORD);
  await page.getByRole('link', { name: 'Virtual keys', exact: true }).click();
  await page.getByRole('button', { name: 'Create key' }).click();
  const dialog = page.getByRole('dialog', { name: 'Create a virtual key' });
  await dialog.getByLabel('Name', { exact: true }).fill('made-when-signed-in');
  await dialog.getByRole('button', { name: 'Create key' }).click();
  await page.getByRole('dialog', { name: 'The key of made-when-signed-in' }).waitFor();
});

onPage(world, 'the page that was asked for opens after signing in', { path: '/virtual-keys?search=hidden', ...refused }, async ({ page }) => {
  await fill(page, USER, PASSWORD);
  await page.getByRole('button', { name: 'hidden-key' }).waitFor();
  assert.equal(new URL(page.url()).search, '?search=hidden');
});

for (const theme of ['light', 'dark']) {
  for (const width of [1440, 390]) {
    onPage(world, `signing in has no barrier (${theme}, ${width})`, { theme, width, height: 844 }, async ({ page }) => {
      await page.getByLabel('Password').waitFor();
      await page.screenshot({ path: `screenshots/sign-in-${width}-${theme}.png` });
      assert.deepEqual(await barriers(page), []);
      assert.deepEqual(await overflowing(page), []);
    });
  }
}
