// The virtual keys page: limits as bars, making, changing, rotating and deleting keys.

import assert from 'node:assert/strict';
import { onPage } from './support/browser.js';
import { MODELS, USAGE } from './support/gateway.js';
import { createWorld } from './support/world.js';

const world = await createWorld();
const { gateway, mock } = world;
const KEYS = '/api/governance/virtual-keys';
/** One answer of gpt-4o-mini in dollars. */
const PRICE = (USAGE.input_tokens * 0.15 + USAGE.output_tokens * 0.6) / 1e6;
const budget = (answers) => ({ max_limit: PRICE * answers, reset_duration: '1d' });

const calm = await gateway.createKey({ name: 'calm', budget: budget(10) });
const close = await gateway.createKey({ name: 'nearly-used-up', budget: budget(10) });
const full = await gateway.createKey({ name: 'used-up', rate_limit: { request_max_limit: 2, request_reset_duration: '1h' } });
await gateway.createKey({ name: 'unlimited', provider_configs: [{ provider: 'openai', weight: 0.8 }, { provider: 'anthropic', weight: 0.2 }] });
await gateway.send({ openai: 2 }, { key: calm.value });
await gateway.send({ openai: 9 }, { key: close.value });
await gateway.send({ openai: 2 }, { key: full.value });
await gateway.overviewOf(13);

const list = { path: '/virtual-keys' };
const row = (page, key) => page.getByTestId(`vk-row-${key.id}`);
const meter = (page, key) => row(page, key).getByRole('meter');
const filled = async (bar) =>
  bar.evaluate((element) => (100 * element.firstElementChild.getBoundingClientRect().width) / element.getBoundingClientRect().width);
const named = async (name) => {
  const page = await gateway.api('GET', `${KEYS}?search=${name}`);
  return page.virtual_keys.find((key) => key.name === name);
};

for (const [key, percent, words] of [[calm, 20, /within limit/], [close, 90, /close to limit/], [full, 100, /limit reached/]]) {
  onPage(world, `the bar of "${key.name}" is ${percent} % full and says how that is`, list, async ({ page }) => {
    const bar = meter(page, key);
    await bar.waitFor();
    assert.equal(await bar.getAttribute('aria-valuenow'), String(percent));
    assert.match(await bar.getAttribute('aria-valuetext'), words);
    await page.waitForTimeout(300);
    assert.ok(Math.abs((await filled(bar)) - percent) < 1, `drawn ${await filled(bar)} % wide`);
    const text = (await row(page, key).innerText()).replace(/\s+/g, ' ');
    assert.match(text, new RegExp(`\\b${percent} %`));
    if (percent >= 80) assert.match(text, words);
    assert.match(text, /resets in/);
  });
}

onPage(world, 'bars of different urgency have different colours', list, async ({ page }) => {
  const colours = new Set();
  for (const key of [calm, close, full]) {
    colours.add(await meter(page, key).evaluate((bar) => getComputedStyle(bar.firstElementChild).backgroundColor));
  }
  assert.equal(colours.size, 3);
});

onPage(world, 'the amount in the list is what the gateway has counted', list, async ({ page }) => {
  const { budgets } = await named('nearly-used-up');
  assert.ok(Math.abs(budgets[0].current_usage - 9 * PRICE) < 1e-9, String(budgets[0].current_usage));
  await row(page, close).getByText(/\$[\d.]+ of \$[\d.]+/).first().waitFor();
  const text = await row(page, close).innerText();
  const [, used, limit] = /\$([\d.]+) of \$([\d.]+)/.exec(text);
  assert.ok(Math.abs(Number(used) - 9 * PRICE) < 6e-6, text);
  assert.ok(Math.abs(Number(limit) - 10 * PRICE) < 6e-6, text);
});

onPage(world, 'a used-up key is refused, and the overview says so', {}, async ({ page }) => {
  const answer = await gateway.chat(`openai/${MODELS.openai}`, { key: full.value });
  assert.equal(answer.status, 429, answer.text);
  const strip = page.getByTestId('budget-strip');
  await strip.getByText('100 %, limit reached').waitFor();
  const first = await strip.getByRole('listitem').first().innerText();
  assert.match(first, /used-up/, 'the fullest key comes first');
  await page.getByTestId('recent-requests').getByText('✕ 429').first().waitFor();
});

onPage(world, 'weights are shown as shares', list, async ({ page }) => {
  const text = await page.getByRole('row').filter({ hasText: 'unlimited' }).innerText();
  assert.match(text.replace(/\s+/g, ' '), /openai 80 %.*anthropic 20 %.*no budget.*no rate limit/i);
});

onPage(world, 'searching narrows the list and stands in the address', list, async ({ page }) => {
  await page.getByLabel('Search virtual keys').fill('nearly');
  await page.waitForURL('**/virtual-keys?search=nearly');
  await page.getByText('1 virtual key', { exact: true }).waitFor();
  assert.equal(await row(page, calm).count(), 0);
  assert.equal(await row(page, close).count(), 1);
});

const createDialog = (page) => page.getByRole('dialog', { name: 'Create a virtual key' });

onPage(world, 'creating: the secret is shown once, works, and is never to be had again', { ...list, permissions: ['clipboard-read', 'clipboard-write'] }, async ({ page }) => {
  const replies = [];
  page.on('response', (response) => {
    if (response.url().includes('/api/') && !response.url().endsWith('/api/live')) {
      replies.push(response.text().then((text) => ({ url: response.url(), method: response.request().method(), text }), () => null));
    }
  });
  await page.getByRole('button', { name: 'Create key' }).click();
  const dialog = createDialog(page);
  await dialog.getByLabel('Name', { exact: true }).fill('made-here');
  await dialog.getByLabel('Description').fill('for the test');
  await dialog.getByRole('button', { name: 'Add provider' }).click();
  await dialog.getByLabel('Provider', { exact: true }).selectOption('openai');
  await dialog.getByLabel('Weight').fill('0.7');
  await dialog.getByLabel('Allowed models').fill('gpt-4o-mini, gpt-4o');
  await dialog.getByRole('button', { name: 'Add provider' }).click();
  await dialog.getByLabel('Provider', { exact: true }).nth(1).selectOption('anthropic');
  await dialog.getByLabel('Weight').nth(1).fill('0.3');
  await dialog.getByLabel('Budget in dollars', { exact: true }).fill('12.5');
  await dialog.getByLabel('Requests', { exact: true }).fill('100');
  await dialog.getByLabel('Requests: period').selectOption('1m');
  await dialog.getByRole('button', { name: 'Create key' }).click();

  const shown = page.getByRole('dialog', { name: 'The key of made-here' });
  await shown.waitFor();
  await shown.getByRole('button', { name: 'Copy Virtual key' }).click();
  await shown.getByText('Copied').waitFor();
  const secret = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(secret, /^sk-bf-\S{20,}$/);
  assert.equal(await shown.locator('pre').first().textContent(), secret);
  assert.match(await shown.locator('pre').nth(1).textContent(), new RegExp(`OPENAI_BASE_URL=${gateway.url}/v1`));
  assert.equal((await gateway.chat('gpt-4o-mini', { key: secret })).status, 200);
  await shown.getByRole('button', { name: 'I have stored it' }).click();

  const made = await named('made-here');
  await row(page, made).getByText('1 of 100 requests').waitFor();
  await row(page, made).click();
  await page.getByRole('dialog', { name: 'made-here' }).getByText('for the test').waitFor();
  await page.getByRole('link', { name: 'Overview', includeHidden: true }).first().evaluate((link) => link.click());
  await page.getByTestId('kpi-requests').waitFor();
  await page.goto('/virtual-keys');
  await row(page, made).waitFor();
  assert.doesNotMatch(await page.content(), new RegExp(secret));
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href]));
  assert.ok(!kept.includes(secret));
  const carriers = (await Promise.all(replies)).filter((reply) => reply?.text.includes(secret));
  assert.deepEqual(carriers.map(({ method, url }) => `${method} ${new URL(url).pathname}`), [`POST ${KEYS}`]);

  assert.equal(made.description, 'for the test');
  assert.deepEqual(made.provider_configs.map(({ provider, weight, allowed_models }) => [provider, weight, allowed_models]), [
    ['openai', 0.7, ['gpt-4o-mini', 'gpt-4o']],
    ['anthropic', 0.3, ['*']],
  ]);
  assert.deepEqual([made.budgets[0].max_limit, made.budgets[0].reset_duration], [12.5, '1M']);
  assert.deepEqual([made.rate_limit.request_max_limit, made.rate_limit.request_reset_duration], [100, '1m']);
});

onPage(world, 'bad input is named beside its field, which gets the focus, and nothing is sent', list, async ({ page }) => {
  const sent = [];
  page.on('request', (request) => request.method() === 'POST' && sent.push(request.url()));
  await page.getByRole('button', { name: 'Create key' }).click();
  const dialog = createDialog(page);
  await dialog.getByRole('button', { name: 'Create key' }).click();
  const name = dialog.getByLabel('Name', { exact: true });
  await dialog.getByText('A key needs a name.').waitFor();
  assert.equal(await name.getAttribute('aria-invalid'), 'true');
  assert.equal(await name.evaluate((field) => field.ownerDocument.getElementById(field.getAttribute('aria-describedby')).textContent), 'A key needs a name.');
  await page.waitForFunction(() => document.activeElement.getAttribute('aria-invalid') === 'true');

  await name.fill('bad-figures');
  for (const [field, value, message] of [
    ['Budget in dollars', '-3', 'Give a number above 0'],
    ['Requests', '1.5', 'Give a whole number'],
    ['Tokens', 'many', 'Give a number above 0'],
  ]) {
    await dialog.getByLabel(field, { exact: true }).fill(value);
    await dialog.getByRole('button', { name: 'Create key' }).click();
    const note = dialog.getByLabel(field, { exact: true }).locator('xpath=ancestor::div[2]/p');
    await note.getByText(message).waitFor();
    await dialog.getByLabel(field, { exact: true }).fill('');
  }
  assert.deepEqual(sent, []);
});

onPage(world, 'what only the gateway can know is named beside its field too', { ...list, allowed: [/status of 409/] }, async ({ page }) => {
  await page.getByRole('button', { name: 'Create key' }).click();
  const dialog = createDialog(page);
  const name = dialog.getByLabel('Name', { exact: true });
  await name.fill('calm');
  await dialog.getByRole('button', { name: 'Create key' }).click();
  await name.locator('xpath=following-sibling::p').getByText(/calm.*is the name of virtual key/).waitFor();
  assert.equal(await name.inputValue(), 'calm');
});

onPage(world, 'an error of the server is told in plain words and loses nothing', { ...list, allowed: [/status of 500/] }, async ({ page }) => {
  await page.getByRole('button', { name: 'Create key' }).click();
  const dialog = createDialog(page);
  await page.route(`**${KEYS}`, (route) => route.fulfill({ status: 500, contentType: 'text/html', body: '<h1>Internal</h1>' }));
  await dialog.getByLabel('Name', { exact: true }).fill('unlucky');
  await dialog.getByLabel('Budget in dollars', { exact: true }).fill('7');
  await dialog.getByRole('button', { name: 'Create key' }).click();
  const alert = dialog.getByRole('alert');
  await alert.getByText('The gateway answered with status 500.').waitFor();
  assert.doesNotMatch(await alert.innerText(), /<|JSON|undefined|Error:/);
  assert.equal(await dialog.getByLabel('Budget in dollars', { exact: true }).inputValue(), '7');
});

onPage(world, 'rotating asks first, shows the new secret once, and ends the old one', list, async ({ page }) => {
  const key = await gateway.createKey({ name: 'to-rotate' });
  await row(page, key).click();
  await page.getByRole('dialog', { name: 'to-rotate' }).getByRole('button', { name: 'Rotate' }).click();
  const question = page.getByRole('dialog', { name: 'Rotate the key of to-rotate?' });
  await question.getByRole('button', { name: 'Cancel' }).click();
  assert.equal((await gateway.chat('openai/gpt-4o-mini', { key: key.value })).status, 200);

  await page.getByRole('button', { name: 'Rotate' }).click();
  await question.getByRole('button', { name: 'Rotate now' }).click();
  const shown = page.getByRole('dialog', { name: 'The key of to-rotate' });
  const secret = await shown.locator('pre').first().textContent();
  assert.notEqual(secret, key.value);
  assert.equal((await gateway.chat('openai/gpt-4o-mini', { key: secret })).status, 200);
  assert.equal((await gateway.chat('openai/gpt-4o-mini', { key: key.value })).status, 401);
  await shown.getByRole('button', { name: 'I have stored it' }).click();
  assert.ok(!(await page.content()).includes(secret));
});

onPage(world, 'changing limits: what is there is filled in, changed, added and taken away', list, async ({ page }) => {
  const key = await gateway.createKey({
    name: 'to-edit',
    budget: { max_limit: PRICE * 2, reset_duration: '1d' },
    rate_limit: { token_max_limit: 5000, token_reset_duration: '1h' },
  });
  await gateway.send({ openai: 1 }, { key: key.value });
  await row(page, key).click();
  await page.getByRole('dialog', { name: 'to-edit' }).getByRole('button', { name: 'Change limits' }).click();
  const dialog = page.getByRole('dialog', { name: 'Limits of to-edit' });
  const money = dialog.getByLabel('Budget in dollars', { exact: true });
  assert.equal(Number(await money.inputValue()), PRICE * 2);
  assert.equal(await dialog.getByLabel('Tokens', { exact: true }).inputValue(), '5000');
  await money.fill('-1');
  await dialog.getByRole('button', { name: 'Save limits' }).click();
  await dialog.getByText('Give a number above 0').waitFor();

  await money.fill(String(PRICE * 4));
  await dialog.getByLabel('Requests', { exact: true }).fill('8');
  await dialog.getByLabel('Tokens', { exact: true }).fill('');
  await dialog.getByRole('button', { name: 'Save limits' }).click();
  await dialog.waitFor({ state: 'detached' });
  const sheet = page.getByRole('dialog', { name: 'to-edit' });
  await sheet.getByText('0 of 8 requests').waitFor();
  await sheet.getByText('25 %', { exact: true }).waitFor();
  const { budgets, rate_limit } = await named('to-edit');
  assert.ok(Math.abs(budgets[0].max_limit - PRICE * 4) < 1e-9);
  assert.ok(Math.abs(budgets[0].current_usage - PRICE) < 1e-9, 'what was spent is kept');
  assert.equal(rate_limit.request_max_limit, 8);
  assert.equal(rate_limit.token_max_limit ?? null, null);
  assert.equal((await gateway.chat('openai/gpt-4o-mini', { key: key.value })).status, 200, 'the secret has changed');
});

onPage(world, 'limits can be taken away altogether', list, async ({ page }) => {
  const key = await gateway.createKey({ name: 'to-free', budget: budget(1), rate_limit: { request_max_limit: 1, request_reset_duration: '1h' } });
  await row(page, key).click();
  await page.getByRole('button', { name: 'Change limits' }).click();
  const dialog = page.getByRole('dialog', { name: 'Limits of to-free' });
  await dialog.getByLabel('Budget in dollars', { exact: true }).fill('');
  await dialog.getByLabel('Requests', { exact: true }).fill('');
  await dialog.getByRole('button', { name: 'Save limits' }).click();
  await page.getByText('No budget and no rate limit.').waitFor();
  const { budgets, rate_limit } = await named('to-free');
  assert.deepEqual([budgets, rate_limit], [[], null]);
});

onPage(world, 'switching a key off refuses its clients, and on again lets them in', list, async ({ page }) => {
  const key = await gateway.createKey({ name: 'to-switch' });
  await row(page, key).click();
  const sheet = page.getByRole('dialog', { name: 'to-switch' });
  await sheet.getByRole('button', { name: 'Disable' }).click();
  // Exactly: the buttons "Disable" and "Delete" side by side read "disabled" as well.
  await sheet.getByText('Disabled', { exact: true }).waitFor();
  const refused = await gateway.chat('openai/gpt-4o-mini', { key: key.value });
  assert.equal(refused.status, 403, refused.text);
  await sheet.getByRole('button', { name: 'Enable' }).click();
  await sheet.getByText('Active', { exact: true }).waitFor();
  assert.equal((await gateway.chat('openai/gpt-4o-mini', { key: key.value })).status, 200);
});

onPage(world, 'deleting wants the name typed, and then the key is gone', list, async ({ page }) => {
  const key = await gateway.createKey({ name: 'to-delete' });
  await row(page, key).click();
  await page.getByRole('dialog', { name: 'to-delete' }).getByRole('button', { name: 'Delete' }).click();
  const question = page.getByRole('dialog', { name: 'Delete to-delete?' });
  const confirm = question.getByRole('button', { name: 'Delete for good' });
  assert.equal(await confirm.isEnabled(), false);
  await question.getByRole('textbox').fill('to-delet');
  assert.equal(await confirm.isEnabled(), false);
  await question.getByRole('textbox').fill('to-delete');
  await confirm.click();
  await row(page, key).waitFor({ state: 'detached' });
  assert.equal(await page.getByRole('dialog').count(), 0);
  assert.equal(await named('to-delete'), undefined);
});

onPage(world, 'an address opens the details of its key', { path: `/virtual-keys?key=${calm.id}` }, async ({ page }) => {
  const sheet = page.getByRole('dialog', { name: 'calm' });
  await sheet.getByText(calm.id).waitFor();
  await page.reload();
  await sheet.getByText(calm.id).waitFor();
});

onPage(world, 'an address of a key that is gone says so', { path: '/virtual-keys?key=nobody', allowed: [/status of 404/] }, async ({ page }) => {
  await page.getByRole('dialog').getByText(/there is no virtual key/i).waitFor();
});
