// The browser of the tests: the system's Chromium, driven by playwright-core, and axe for what a machine can say about accessibility.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';

// Installed by test_dashboard.py outside the sources.
const require = createRequire(`${process.env.DASHBOARD_MODULES || process.cwd()}/`);
const {chromium} = require('playwright-core');
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

let browser = null;

export async function open() {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}
export async function stop() {
  if (browser) await browser.close();
}

// A page as one person has it. page.troubles: what the browser complained of (errors of scripts, of the content security policy, of loading).
// clock: what that of the browser says at first; page.clock moves it.
export async function visit(url, {dark = false, phone = false, clipboard = false, clock = 0} = {}) {
  const context = await browser.newContext({
    viewport: phone ? {width: 360, height: 740} : {width: 1280, height: 900},
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
    hasTouch: phone,
    locale: 'en-GB',
    timezoneId: 'UTC',
    bypassCSP: false,
  });
  context.setDefaultTimeout(30000);
  if (clipboard) await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await context.newPage();
  if (clock) await page.clock.install({time: clock});
  page.troubles = [];
  page.on('pageerror', (error) => page.troubles.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.troubles.push(message.text()));
  // To try a page that no program has in it yet: DASHBOARD_SOURCES is the folder of its files.
  if (process.env.DASHBOARD_SOURCES)
    await page.route('**/assets/*/*', (route) =>
      route.fulfill({path: `${process.env.DASHBOARD_SOURCES}/${route.request().url().split('/').pop()}`}),
    );
  await page.goto(url);
  await page.locator('#main').waitFor();
  return page;
}

// WCAG 2.2 AA, as far as axe can tell. It runs in the page's own world by the debugger, past the page's policy.
export async function accessible(page, what) {
  await page.evaluate(`window.axe || (() => { ${AXE}\n window.axe = axe; })()`);
  const found = await page.evaluate(() =>
    window.axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}),
  );
  const words = found.violations.map(
    (one) =>
      `${one.id} (${one.impact}): ${one.help}\n${one.nodes
        .slice(0, 3)
        .map((node) => `    ${node.html.slice(0, 160)}\n    ${node.failureSummary.replace(/\n/g, ' ')}`)
        .join('\n')}`,
  );
  assert.deepEqual(words, [], `accessibility of ${what}:\n${words.join('\n')}`);
}
