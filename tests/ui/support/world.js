// A mock provider, a gateway and a browser, for the length of one test file.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { launch } from './browser.js';
import { Gateway, Mock } from './gateway.js';
import { startGateway, startMock, workFolder } from './processes.js';

/**
 * What every test file begins with, before its first test: the runner ends the world when the tests
 * known so far are done. `providers: false` leaves the gateway empty, `config` is its
 * config.json, `password` the admin's `name:password` in it.
 */
export async function createWorld({ providers = true, config, password } = {}) {
  const folder = await workFolder();
  const ends = [folder.remove];
  const end = async () => {
    for (const stop of ends.reverse()) await stop();
  };
  after(end);
  const mockProcess = await startMock(folder.path);
  ends.push(mockProcess.stop);
  const first = await startGateway(folder.path, { config });
  let current = first;
  ends.push(() => current.stop());
  await refuseWithoutDashboard(first.url);
  const world = { mock: new Mock(mockProcess.url), gateway: new Gateway(first.url, password) };
  world.stopGateway = () => current.stop();
  /** On the same port and with the same data. */
  world.startGatewayAgain = async () => {
    current = await startGateway(folder.path, { port: first.port });
  };
  /** One more empty gateway beside the first, with the same mock and browser. */
  world.another = async (name) => {
    const extra = await startGateway(folder.path, { name });
    ends.push(extra.stop);
    return { ...world, gateway: new Gateway(extra.url) };
  };
  world.browser = await launch();
  ends.push(() => world.browser.close());
  await world.mock.usual();
  if (providers) await world.gateway.addProviders(world.mock);
  return world;
}

/** A binary without the dashboard answers with a page that says how to build one. */
async function refuseWithoutDashboard(url) {
  const page = await (await fetch(url)).text();
  assert.match(page, /<div id="root">/, 'this gateway has no dashboard in it: run `make ui` first');
}
