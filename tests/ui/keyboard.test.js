// Everything without a mouse: where the focus goes, that it is seen, and that it comes back.

import assert from 'node:assert/strict';
import { getsTheFocus, onPage } from './support/browser.js';
import { createWorld } from './support/world.js';

const world = await createWorld();
await world.gateway.createKey({ name: 'first-key' });
await world.gateway.createKey({ name: 'second-key' });
await world.gateway.send({ openai: 1 });
await world.gateway.overviewOf(1);

const focused = (page) =>
  page.evaluate(() => {
    const { activeElement } = document;
    return activeElement.getAttribute('aria-label') ?? activeElement.innerText ?? activeElement.tagName;
  });
const focusIsIn = (page, selector) =>
  page.evaluate((wanted) => document.activeElement.closest(wanted) !== null, selector);

onPage(world, 'the first stop is a link past the navigation, seen only then', {}, async ({ page }) => {
  await page.getByTestId('kpi-requests').waitFor();
  const link = page.getByRole('link', { name: 'Skip to the content' });
  assert.ok((await link.boundingBox()).width <= 1);
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'Skip to the content');
  assert.ok((await link.boundingBox()).width > 50, 'it is not seen when it has the focus');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'content');
  await page.keyboard.press('Tab');
  assert.ok(await focusIsIn(page, 'main'), 'the next stop is in the content');
});

onPage(world, 'every stop of the overview can be seen to have the focus', {}, async ({ page }) => {
  await page.getByTestId('kpi-requests').waitFor();
  let stops = 0;
  for (; stops < 60; stops += 1) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === document.body) return null;
      const ring = (one) => getComputedStyle(one).outlineStyle !== 'none' && Number.parseFloat(getComputedStyle(one).outlineWidth) >= 2;
      return { html: element.outerHTML.slice(0, 120), seen: ring(element) || (element.parentElement && ring(element.parentElement)) };
    });
    if (stop === null) break;
    assert.ok(stop.seen, `no ring around ${stop.html}`);
  }
  assert.ok(stops >= 12, `only ${stops} stops`);
});

onPage(world, 'arrow keys move the range', {}, async ({ page }) => {
  await page.getByRole('radio', { name: '1h', exact: true }).focus();
  await page.keyboard.press('ArrowRight');
  await page.waitForURL('**/?range=6h');
  assert.equal(await page.evaluate(() => document.activeElement.value), '6h');
});

onPage(world, 'a dialog takes the focus, keeps it, and gives it back at Escape', { path: '/virtual-keys' }, async ({ page }) => {
  const opener = page.getByRole('button', { name: 'Create key' });
  await opener.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Create a virtual key' });
  await dialog.waitFor();
  await getsTheFocus(dialog.getByLabel('Name', { exact: true }));
  for (const step of ['Tab', 'Shift+Tab']) {
    for (let at = 0; at < 20; at += 1) {
      await page.keyboard.press(step);
      assert.ok(await focusIsIn(page, '[role=dialog]'), `${step} left the dialog`);
    }
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await getsTheFocus(opener);
  assert.equal(new URL(page.url()).search, '');
});

onPage(world, 'the details of a key open with Enter and close with Escape, back to the key', { path: '/virtual-keys' }, async ({ page }) => {
  const opener = page.getByRole('button', { name: 'second-key' });
  await opener.focus();
  await page.keyboard.press('Enter');
  const sheet = page.getByRole('dialog', { name: 'second-key' });
  await getsTheFocus(sheet);
  await page.keyboard.press('Tab');
  assert.ok(await focusIsIn(page, '[role=dialog]'));
  await page.keyboard.press('Escape');
  await sheet.waitFor({ state: 'detached' });
  await getsTheFocus(opener);
});

onPage(world, 'Escape closes the upper one of two dialogs only', { path: '/virtual-keys' }, async ({ page }) => {
  await page.getByRole('button', { name: 'first-key' }).click();
  const sheet = page.getByRole('dialog', { name: 'first-key' });
  const opener = sheet.getByRole('button', { name: 'Rotate' });
  await opener.click();
  const question = page.getByRole('dialog', { name: 'Rotate the key of first-key?' });
  await question.waitFor();
  await page.keyboard.press('Escape');
  await question.waitFor({ state: 'detached' });
  assert.equal(await sheet.isVisible(), true);
  await getsTheFocus(opener);
});

onPage(world, 'a secret is not lost by a slip of Escape or a click beside it', { path: '/virtual-keys?create=true' }, async ({ page }) => {
  await page.getByLabel('Name', { exact: true }).fill('kept');
  await page.keyboard.press('Enter');
  const secret = page.getByRole('dialog', { name: 'The key of kept' });
  await secret.waitFor();
  await page.keyboard.press('Escape');
  await page.mouse.click(5, 5);
  await page.waitForTimeout(200);
  assert.equal(await secret.isVisible(), true);
  await secret.getByRole('button', { name: 'I have stored it' }).click();
  await secret.waitFor({ state: 'detached' });
});

onPage(world, 'an opened page names itself, and navigating moves the title along', {}, async ({ page }) => {
  await page.waitForFunction(() => document.title === 'Overview · Tollbridge');
  await page.getByRole('link', { name: 'Virtual keys', exact: true }).press('Enter');
  await page.waitForFunction(() => document.title === 'Virtual keys · Tollbridge');
  const current = page.getByRole('link', { name: 'Virtual keys', exact: true });
  assert.equal(await current.first().getAttribute('aria-current'), 'page');
});

onPage(world, 'a chart has a name that says its figures, and a table with them', {}, async ({ page }) => {
  const card = page.getByTestId('chart-requests');
  await card.getByRole('img', { name: /Stacked bars of requests by provider in the last hour: openai 1\./ }).waitFor();
  await card.getByRole('button', { name: 'Requests by provider as a table' }).press('Enter');
  await card.getByRole('table', { name: /Requests by provider/ }).waitFor();
});
