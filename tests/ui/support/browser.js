// A browser that watches what goes wrong in it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { chromium } from 'playwright-core';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const CHROMIUM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';
/** For the whole of one test. */
const LIMIT_MS = 90_000;
/** For one thing to appear. */
const APPEARS_WITHIN_MS = 10_000;

export function launch() {
  // Root may not use the sandbox, and the memory of containers is too small for /dev/shm.
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--force-color-profile=srgb'];
  return chromium.launch({ executablePath: CHROMIUM, args });
}

/** Everything that goes wrong on a page: script errors, refused content, foreign addresses. */
export async function watch(page, origin) {
  const problems = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(`script error: ${error.message}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith('http') && url.origin !== origin) {
      problems.push(`left the gateway for ${url.origin}`);
    }
  });
  await page.exposeFunction('reportViolation', (what) => problems.push(`refused by CSP: ${what}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  return problems;
}

/** Opens an address and says what goes wrong there; the caller closes the context. */
export async function open(world, path, settings = {}) {
  const { width = 1440, height = 900, theme = 'light', ...more } = settings;
  const context = await world.browser.newContext({
    baseURL: world.gateway.url,
    viewport: { width, height },
    colorScheme: theme,
    locale: 'en-GB',
    ...more,
  });
  context.setDefaultTimeout(APPEARS_WITHIN_MS);
  const page = await context.newPage();
  const problems = await watch(page, world.gateway.url);
  await page.goto(path);
  return { context, page, problems };
}

/**
 * A test on a page of its own, which fails if anything at all goes wrong there. `allowed` are the
 * complaints that the test brings about itself, such as the browser's line for a refused request.
 */
export function onPage(world, name, settings, run) {
  const { path = '/', allowed = [], ...rest } = settings;
  test(name, { timeout: LIMIT_MS }, async () => {
    const { context, page, problems } = await open(world, path, rest);
    try {
      await run({ page, context, problems });
    } finally {
      await context.close();
    }
    const unforeseen = problems.filter((problem) => !allowed.some((one) => one.test(problem)));
    assert.deepEqual(unforeseen, []);
  });
}

/**
 * Waits until an element has the focus. A dialog takes it after it is shown, and gives it back in a
 * task after it is gone, so that a look at that moment may come too early.
 */
export async function getsTheFocus(locator) {
  const page = locator.page();
  const element = await locator.elementHandle();
  try {
    await page.waitForFunction((wanted) => wanted === document.activeElement, element);
  } catch (error) {
    const instead = await page.evaluate(() => document.activeElement.outerHTML.slice(0, 160));
    throw new Error(`${locator} does not get the focus, which is at ${instead}`, { cause: error });
  }
}

/** What axe finds that keeps somebody from using the page. */
export async function barriers(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
}

/** What sticks out of the window to the right, or out of the dialog that it stands in. */
export function overflowing(page) {
  return page.evaluate(() => {
    const scrolls = (element) => /auto|scroll|hidden|clip/.test(getComputedStyle(element).overflowX);
    const isHeld = (element) => {
      for (let up = element.parentElement; up; up = up.parentElement) {
        if (up !== document.body && up !== document.documentElement && scrolls(up)) return true;
      }
      return false;
    };
    const width = document.documentElement.clientWidth;
    const found = [...document.querySelectorAll('body *')].filter((element) => {
      const box = element.getBoundingClientRect();
      // What is for screen readers only is a pixel wide and stands beside the edge.
      return box.width > 1 && (box.right > width + 0.5 || box.left < -0.5) && !isHeld(element);
    });
    const names = found.map((element) => `${element.tagName} ${element.className}`.slice(0, 120));
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) names.push(`the page is ${root.scrollWidth} wide`);
    for (const dialog of document.querySelectorAll('[role=dialog]')) {
      if (dialog.scrollWidth > dialog.clientWidth) names.push(`dialog ${dialog.scrollWidth} wide`);
    }
    return names;
  });
}
