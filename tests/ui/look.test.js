// Every state of every page, in both themes and at the widths of a desk and of a phone: nothing keeps
// anybody from using it, nothing sticks out, and a screenshot is kept to be looked at.

import assert from 'node:assert/strict';
import { barriers, onPage, overflowing } from './support/browser.js';
import { MODELS, USAGE } from './support/gateway.js';
import { createWorld } from './support/world.js';

const WIDTHS = { 1440: 900, 390: 844 };
const NARROWEST = 360;
const world = await createWorld({ providers: false });
const busy = await world.another('busy');
const waiting = await world.another('waiting');
await waiting.gateway.addProvider('openai', world.mock);
const detailed = await makeTraffic(busy);

/** A gateway with everything to show: failovers, a resting key, keys near and at their limits. */
async function makeTraffic({ gateway, mock }) {
  await gateway.addProvider('openai', mock, ['openai-prod-1', 'openai-prod-2']);
  await gateway.addProvider('anthropic', mock, ['anthropic-main']);
  await gateway.addProvider('gemini', mock, ['gemini-main']);
  await mock.forget();
  await mock.rule({ key: 'sk-openai-prod-2' }, { status: 429, retry_after: 3000 });
  await mock.rule({}, { words: 40, delay_first_token_ms: 30, delay_between_ms: 1, usage: USAGE });
  const price = 0.000345;
  const production = await gateway.createKey({
    name: 'production',
    description: 'Everything that customers see',
    budget: { max_limit: price * 22, reset_duration: '1M' },
    rate_limit: { request_max_limit: 10000, request_reset_duration: '1h', token_max_limit: 2000000, token_reset_duration: '1h' },
    provider_configs: [
      { provider: 'openai', weight: 0.8, budget: { max_limit: 1, reset_duration: '1M' } },
      { provider: 'anthropic', weight: 0.2, allowed_models: [MODELS.anthropic] },
    ],
  });
  const research = await gateway.createKey({ name: 'research', budget: { max_limit: 5, reset_duration: '1w' } });
  const trial = await gateway.createKey({ name: 'trial', rate_limit: { request_max_limit: 3, request_reset_duration: '1d' } });
  await gateway.createKey({ name: 'interns', budget: { max_limit: 10, reset_duration: '1M' } });
  await gateway.api('PUT', `/api/governance/virtual-keys/interns-old`, { name: 'interns-old', is_active: false });
  const fallbacks = [`anthropic/${MODELS.anthropic}`];
  for (let at = 0; at < 14; at += 1) {
    await gateway.chat(`openai/${MODELS.openai}`, { key: production.value, stream: at % 2 === 0, fallbacks });
  }
  await gateway.send({ gemini: 5, anthropic: 3 }, { key: research.value, stream: true });
  for (let at = 0; at < 5; at += 1) await gateway.chat(`gemini/${MODELS.gemini}`, { key: trial.value });
  await mock.forget();
  await mock.rule({ provider: 'openai' }, { status: 503 });
  await mock.rule({}, { words: 40, usage: USAGE });
  for (let at = 0; at < 3; at += 1) await gateway.chat(`openai/${MODELS.openai}`, { fallbacks });
  await gateway.overviewOf(30);
  return production;
}

const ready = {
  figures: async (page) => {
    await page.getByTestId('recent-requests').waitFor();
    await page.locator('[data-testid=chart-latency] canvas').waitFor();
  },
  list: (page) => page.getByTestId(`vk-row-${detailed.id}`).waitFor(),
};
const STATES = [
  { name: 'empty', in: world, ready: (page) => page.getByTestId('empty-first-run').waitFor() },
  { name: 'no-traffic', in: waiting, ready: (page) => page.getByText('openai is configured.').waitFor() },
  {
    name: 'no-figures',
    in: waiting,
    ready: async (page) => {
      await page.getByRole('button', { name: 'Show the overview now' }).click();
      await page.getByTestId('kpi-requests').waitFor();
    },
  },
  { name: 'overview', in: busy, ready: ready.figures },
  {
    name: 'overview-tables',
    in: busy,
    ready: async (page) => {
      await ready.figures(page);
      for (const button of await page.getByRole('button', { name: /as a table$/ }).all()) await button.click();
    },
  },
  { name: 'no-keys', in: world, path: '/virtual-keys', ready: (page) => page.getByText('There are no virtual keys yet').waitFor() },
  { name: 'keys', in: busy, path: '/virtual-keys', ready: ready.list },
  {
    name: 'create',
    in: busy,
    path: '/virtual-keys?create=true',
    ready: async (page) => {
      const add = page.getByRole('button', { name: 'Add provider' });
      await add.click();
      await add.click();
      await page.getByLabel('Budget in dollars', { exact: true }).fill('nothing');
      await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
      await page.getByText('A key needs a name.').waitFor();
    },
  },
  {
    name: 'detail',
    in: busy,
    path: `/virtual-keys?key=${detailed.id}`,
    ready: (page) => page.getByRole('dialog', { name: 'production' }).getByText('Models').first().waitFor(),
  },
  {
    name: 'limits',
    in: busy,
    path: `/virtual-keys?key=${detailed.id}`,
    ready: async (page) => {
      await page.getByRole('button', { name: 'Change limits' }).click();
      await page.getByRole('dialog', { name: 'Limits of production' }).waitFor();
    },
  },
  {
    name: 'delete',
    in: busy,
    path: `/virtual-keys?key=${detailed.id}`,
    ready: async (page) => {
      await page.getByRole('button', { name: 'Delete' }).click();
      await page.getByRole('button', { name: 'Delete for good' }).waitFor();
    },
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

// Without this the tests above could all pass over a check that sees nothing.
onPage(busy, 'a barrier and an overflow would be seen', {}, async ({ page }) => {
  await ready.figures(page);
  await page.evaluate(() => {
    const button = document.createElement('button');
    button.style.cssText = 'position: absolute; left: 0; top: 0; width: 3000px; height: 20px';
    document.querySelector('main').append(button);
  });
  assert.match((await barriers(page)).join(), /button-name/);
  assert.ok((await overflowing(page)).length > 0);
});
