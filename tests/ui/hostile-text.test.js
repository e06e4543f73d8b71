// Names are text, whatever they contain, and however long they are.

import assert from 'node:assert/strict';
import { onPage, overflowing } from './support/browser.js';
import { MODELS } from './support/gateway.js';
import { createWorld } from './support/world.js';

const HOSTILE = '<img src=x onerror="window.intruded=1"><b>bold</b>';
const LONG = `team-${'very-long-name-'.repeat(12)}end`;
const QUOTES = '"\'`${1}\\ \u202E‮ </script><script>window.intruded=1</script>';

const world = await createWorld();
const { gateway, mock } = world;
await gateway.addProvider('openai', mock, [HOSTILE.slice(0, 60)]);
const rate_limit = { request_max_limit: 100, request_reset_duration: '1h' };
const [hostile, long, quotes] = [
  await gateway.createKey({ name: HOSTILE, description: HOSTILE, rate_limit }),
  await gateway.createKey({ name: LONG, description: LONG, rate_limit, budget: { max_limit: 1e9, reset_duration: '1M' } }),
  await gateway.createKey({ name: QUOTES, rate_limit }),
];
for (const key of [hostile, long, quotes]) await gateway.send({ openai: 1 }, { key: key.value });
await mock.forget();
await mock.rule({}, { status: 400, body: { error: { message: `${HOSTILE} ${'x'.repeat(300)}`, type: 'invalid_request_error' } } });
await gateway.chat(`openai/${MODELS.openai}`, { key: hostile.value });
await gateway.chat(`openai/${HOSTILE}`, { key: hostile.value });
await gateway.overviewOf(5);

async function isText(page) {
  assert.equal(await page.evaluate(() => window.intruded), undefined, 'a name ran as a script');
  assert.equal(await page.locator('main img, [role=dialog] img, main b').count(), 0, 'a name became an element');
}

for (const width of [1440, 390]) {
  onPage(world, `the overview shows names as text and keeps its width (${width})`, { width }, async ({ page }) => {
    await page.getByTestId('budget-strip').getByText(HOSTILE).waitFor();
    await page.getByTestId('recent-requests').getByText(HOSTILE.slice(0, 30)).first().waitFor({ state: 'attached' });
    await isText(page);
    assert.deepEqual(await overflowing(page), []);
  });

  onPage(world, `the list of keys does too (${width})`, { path: '/virtual-keys', width }, async ({ page }) => {
    for (const name of [HOSTILE, LONG]) await page.getByRole('button', { name, exact: true }).waitFor();
    await isText(page);
    assert.deepEqual(await overflowing(page), []);
  });

  onPage(world, `so do details, dialogs and the title (${width})`, { path: `/virtual-keys?key=${hostile.id}`, width }, async ({ page }) => {
    const sheet = page.getByRole('dialog', { name: HOSTILE });
    await sheet.getByText(HOSTILE).nth(1).waitFor();
    await sheet.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog', { name: `Delete ${HOSTILE}?` }).waitFor();
    await isText(page);
    assert.deepEqual(await overflowing(page), []);
  });

  onPage(world, `a long name fits its sheet (${width})`, { path: `/virtual-keys?key=${long.id}`, width }, async ({ page }) => {
    await page.getByRole('dialog', { name: LONG }).getByText('Limits of the key').waitFor();
    assert.deepEqual(await overflowing(page), []);
  });
}

onPage(world, 'what is searched for is shown as text', { path: `/virtual-keys?search=${encodeURIComponent(`${HOSTILE}?`)}` }, async ({ page }) => {
  await page.getByText(`No key matches “${HOSTILE}?”.`).waitFor();
  await isText(page);
});
