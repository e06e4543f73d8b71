// Providers and keys as they are now: what rests and why, what is switched off, who takes what.

import assert from 'node:assert/strict';
import { onPage } from './support/browser.js';
import { MODELS } from './support/gateway.js';
import { createWorld } from './support/world.js';

const RESTS_SECONDS = 90;
const world = await createWorld({ providers: false });
const { gateway, mock } = world;
await gateway.addProvider('openai', mock, ['first', 'second', 'limited']);
await gateway.addProvider('anthropic', mock, ['rejected']);
await gateway.addProvider('gemini', mock, ['used', 'off']);
await gateway.addProvider('groq', mock, ['resting']);
const { keys } = await gateway.api('GET', '/api/providers/gemini/keys');
const off = keys.find(({ name }) => name === 'off');
await gateway.api('PUT', `/api/providers/gemini/keys/${off.id}`, { ...off, enabled: false });

await mock.forget();
await mock.rule({ key: 'sk-limited' }, { status: 429, retry_after: RESTS_SECONDS });
await mock.rule({ key: 'sk-rejected' }, { status: 401 });
await mock.rule({ key: 'sk-resting' }, { status: 429, retry_after: RESTS_SECONDS });
await mock.rule({}, { words: 5 });
const allDrawn = async () => {
  const { providers } = await gateway.overview();
  const { keys } = providers.find(({ name }) => name === 'openai');
  return keys.every(({ attempts }) => attempts > 0);
};
// The draw is by weight: sooner or later it falls on every key.
for (let at = 0; at < 200 && !(await allDrawn()); at += 1) await gateway.send({ openai: 1 });
assert.ok(await allDrawn(), 'a key was never drawn');
await gateway.chat(`anthropic/${MODELS.anthropic}`);
await gateway.chat('groq/llama-3.1-8b-instant');
await gateway.send({ gemini: 2 });
const row = (page, name) => page.getByTestId(`key-row-${name}`);

onPage(world, 'a limited key is shown as cooling down, until when, and why', {}, async ({ page }) => {
  const limited = row(page, 'limited');
  await limited.getByText('Cooling down').waitFor();
  const text = (await limited.innerText()).replace(/\s+/g, ' ');
  const [, clock, left] = /until (\d\d:\d\d:\d\d) \((\d+ s|1 min)\)/.exec(text) ?? assert.fail(text);
  assert.ok(left === '1 min' || Number.parseInt(left, 10) <= RESTS_SECONDS, left);
  const until = new Date();
  const [hours, minutes, seconds] = clock.split(':').map(Number);
  until.setHours(hours, minutes, seconds, 0);
  const seconds_left = (until - Date.now() + 86_400_000) % 86_400_000 / 1000;
  assert.ok(seconds_left > 0 && seconds_left <= RESTS_SECONDS + 1, `it rests for ${seconds_left} s`);
  assert.match(text, /rate limit|429/i, 'the reason is missing');
});

onPage(world, 'the time that is left counts down', {}, async ({ page }) => {
  const clock = () => row(page, 'limited').innerText();
  await row(page, 'limited').getByText('Cooling down').waitFor();
  const before = await clock();
  await page.waitForFunction(
    ([name, text]) => document.querySelector(`[data-testid="key-row-${name}"]`).innerText !== text,
    ['limited', before],
    { timeout: 65_000 },
  );
});

onPage(world, 'its provider is degraded, because other keys go on', {}, async ({ page }) => {
  const header = page.getByTestId('provider-card-openai').locator('header');
  await header.getByText('Degraded').waitFor();
  await row(page, 'first').getByText('Healthy').waitFor();
});

onPage(world, 'a key that the provider rejected says so in plain words', {}, async ({ page }) => {
  await row(page, 'rejected').getByText(/401|rejected|unauthorized|authenticat/i).first().waitFor();
  await row(page, 'rejected').getByText('0 % of 1 attempt succeeded').waitFor();
  // It has never worked, so nobody should read that it is well.
  await row(page, 'rejected').getByText('Degraded').waitFor();
});

onPage(world, 'a provider whose every key rests is warned of', {}, async ({ page }) => {
  await page.getByTestId('warnings').getByText(/every key of provider groq rests/i).waitFor();
  await page.getByTestId('provider-card-groq').locator('header').getByText('Cooling down').waitFor();
});

onPage(world, 'a key that is switched off says so', {}, async ({ page }) => {
  await row(page, 'off').getByText('Disabled').waitFor();
  await page.getByTestId('provider-card-gemini').locator('header').getByText('Healthy').waitFor();
});

onPage(world, 'each key shows its weight and the traffic that it really took', {}, async ({ page }) => {
  const { providers } = await gateway.overview();
  const openai = providers.find(({ name }) => name === 'openai');
  const attempts = openai.keys.reduce((sum, key) => sum + key.attempts, 0);
  for (const key of openai.keys) {
    const text = await row(page, key.name).innerText();
    assert.match(text, /weight 33\.3 %/);
    const share = Number(((key.attempts / attempts) * 100).toFixed(1));
    assert.ok(text.includes(`${share} % of traffic`), `${key.name}: ${text}, not ${share} %`);
  }
});
