// Everything that the page can do, done as a person does it, with a real daemon: what it says afterwards is true there.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {accessible, open, stop, visit} from './browser.mjs';

const {DASHBOARD_URL: URL_, CONTROL_URL, TOKEN, LOOKER} = process.env;
const GMAIL =
  '550-5.7.26 Your email has been blocked because the sender is unauthenticated.\n550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\n550 5.7.26  https://support.google.com/mail/answer/81126#authentication x - gsmtp';
const LATER = '451 4.3.2 <b>Please</b> come back later';

before(open);
after(stop);

async function world(name, given = {}) {
  const answer = await fetch(CONTROL_URL + name, {method: 'POST', body: JSON.stringify(given)});
  const told = await answer.json();
  assert.ok(answer.ok, told.error);
  return told;
}

async function logIn(token = TOKEN, how = {}) {
  const page = await visit(`${URL_}${how.hash ? `#/${how.hash}` : ''}`, how);
  await page.getByLabel('Access token').fill(token);
  await page.getByRole('button', {name: 'Log in'}).click();
  await page.getByRole('navigation', {name: 'Views'}).waitFor();
  return page;
}

// Closes the page; whatever the browser complained of is a defect, but for what the test expects.
async function done(page, allowed = /^$/) {
  assert.deepEqual(
    page.troubles.filter((words) => !allowed.test(words)),
    [],
  );
  await page.context().close();
}

const see = (page, view) => page.getByRole('navigation', {name: 'Views'}).getByRole('link', {name: view}).click();
const noted = (page, words) => page.locator('#notes').getByText(words).waitFor();
const waiting = async () => (await world('queue')).ids;
// Mail that has arrived is in the queue until that is on disk.
async function waitingBecomes(number) {
  for (const end = Date.now() + 30000; (await waiting()).length !== number && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal((await waiting()).length, number);
}

// A message that yahoo puts off, and its page.
async function putOff(page, to) {
  await world('refuse', {provider: 'yahoo', reply: LATER});
  await world('send', {to});
  await see(page, 'Queue');
  await page.getByRole('link', {name: to}).click();
  await page.getByText('Please').first().waitFor();
}

test('login: the page holds nothing before it; a wrong token is refused, the right one lets in, and out again', async () => {
  const page = await visit(URL_);
  assert.equal(await page.title(), 'Log in · Posthorn');
  await accessible(page, 'login');
  assert.equal((await page.request.get(`${URL_}v1/status`)).status(), 401);
  await page.getByLabel('Access token').fill('a wrong token, long enough');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').filter({hasText: /\w/}).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'token');
  await page.getByLabel('Access token').fill(TOKEN);
  await page.keyboard.press('Enter');
  await page.getByRole('navigation', {name: 'Views'}).waitFor();
  assert.equal(await page.evaluate(() => document.cookie), '', 'no script can read the session');
  assert.equal(await page.evaluate(() => Object.keys(localStorage).length + Object.keys(sessionStorage).length), 0);
  const cookies = await page.context().cookies();
  assert.equal(cookies.length, 1);
  assert.ok(cookies[0].httpOnly && cookies[0].sameSite === 'Strict' && !cookies[0].value.includes(TOKEN));
  await page.reload();
  await page.getByRole('navigation', {name: 'Views'}).waitFor(); // still in
  await page.getByRole('button', {name: 'Log out'}).click();
  await page.getByLabel('Access token').waitFor();
  assert.equal((await page.request.get(`${URL_}v1/status`)).status(), 401);
  await page.reload();
  await page.getByLabel('Access token').waitFor();
  await done(page, /401|429/);
});

test('the page is one of its own: no other host is asked, and browsers keep its parts', async () => {
  const page = await visit(URL_);
  const hosts = new Set();
  const parts = [];
  page.on('request', (request) => hosts.add(new URL(request.url()).host));
  page.on('response', (answer) => answer.url().includes('/assets/') && parts.push(answer));
  await page.reload();
  await page.getByLabel('Access token').waitFor();
  assert.deepEqual([...hosts], [new URL(URL_).host]);
  assert.ok(parts.length > 5);
  for (const one of parts) assert.match(one.headers()['cache-control'], /immutable/);
  const first = await page.request.get(URL_);
  assert.match(first.headers()['content-security-policy'], /default-src 'none'/);
  const again = await page.request.get(URL_, {headers: {'If-None-Match': first.headers().etag}});
  assert.equal(again.status(), 304);
  assert.equal((await page.request.get(`${URL_}assets/0000000000000000/app.js`)).status(), 404);
  await done(page);
});

test('mail is seen as it happens: taken in, delivered, put off', async () => {
  const page = await logIn();
  await page.getByRole('heading', {name: 'As it happens'}).waitFor();
  await page.locator('#live.live').waitFor();
  await world('send', {to: 'live@dest.test'});
  await page.getByText('Delivered to live@dest.test').waitFor();
  await page
    .locator('.tile', {hasText: 'Delivered'})
    .locator('.tile-figure', {hasText: /^[1-9]/})
    .waitFor();
  await done(page);
});

test('a message: why it waits, tried now, held, released; at last it arrives', async () => {
  const page = await logIn();
  const to = 'carol@yahoo.com';
  await putOff(page, to);
  assert.equal(await page.locator('main b').count(), 0, 'a reply is text');
  await page.getByText('passing trouble').first().waitFor();
  await page.getByRole('button', {name: 'Try now'}).click();
  await noted(page, 'Tried now: 1 recipient');
  await page.getByText(/What happened before/).click();
  await page.locator('.past-list li').nth(1).waitFor(); // refused a second time
  await page.getByRole('button', {name: 'Hold'}).click();
  await noted(page, 'Held until it is released: 1 recipient');
  await page.getByRole('button', {name: 'Release'}).waitFor();
  await world('accept', {provider: 'yahoo'});
  await page.getByRole('button', {name: 'Release'}).click();
  await noted(page, /^Released: 1 recipient/);
  await world('arrived', {provider: 'yahoo', to});
  await page
    .getByText(/was delivered/)
    .first()
    .waitFor();
  assert.equal(await page.getByRole('button', {name: 'Hold'}).count(), 0);
  await done(page);
});

test('a message deleted: asked first, and “Cancel” changes nothing', async () => {
  const page = await logIn();
  await putOff(page, 'delete@yahoo.com');
  const [id] = await waiting();
  await page.getByRole('button', {name: 'Delete'}).click();
  const dialog = page.getByRole('dialog', {name: 'Delete this message?'});
  await dialog.waitFor();
  await accessible(page, 'the question');
  await page.keyboard.press('Escape');
  await dialog.waitFor({state: 'detached'});
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Delete', 'the focus is back');
  assert.deepEqual(await waiting(), [id]);
  await page.getByRole('button', {name: 'Delete'}).click();
  await dialog.getByRole('button', {name: 'Delete'}).click();
  await noted(page, 'Deleted: 1 recipient');
  assert.deepEqual(await waiting(), []);
  await world('accept', {provider: 'yahoo'});
  await done(page);
});

test('a message returned to its sender, who is told', async () => {
  const page = await logIn();
  await putOff(page, 'bounce@yahoo.com');
  await page.getByRole('button', {name: 'Return to sender'}).click();
  await page.getByRole('dialog').getByText('alice@example.test is told by mail').waitFor();
  await page.getByRole('dialog').getByRole('button', {name: 'Return to sender'}).click();
  await noted(page, 'Given up, and the sender is told: 1 recipient');
  await world('arrived', {provider: 'home', to: 'alice@example.test'});
  await world('accept', {provider: 'yahoo'});
  await done(page);
});

test('the queue: filtered, asked about, and all of it tried now', async () => {
  const page = await logIn();
  await world('refuse', {provider: 'yahoo', reply: LATER});
  await world('send', {to: ['one@yahoo.com', 'two@yahoo.com']});
  await world('send', {to: 'three@yahoo.com'});
  await see(page, 'Queue');
  await page.getByText('3 recipients of 2 messages wait').waitFor();
  await page.getByLabel('Value to filter by').fill('nowhere.test');
  await page.keyboard.press('Enter');
  await page.getByText('Nothing of that waits').waitFor();
  await page.getByRole('link', {name: 'Show all'}).first().click();
  await page.getByRole('link', {name: 'three@yahoo.com'}).waitFor();
  await page.getByLabel(/Ask why/).fill('one@yahoo.com');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', {name: 'one@yahoo.com'}).first().waitFor();
  await page.getByText('What waits longest').waitFor();
  await world('accept', {provider: 'yahoo'});
  await see(page, 'Queue');
  await page.getByRole('button', {name: 'Try all now'}).click();
  await noted(page, 'What waits is tried now');
  await page.getByText('The queue is empty').waitFor();
  assert.deepEqual(await waiting(), []);
  await done(page);
});

test('a provider suspended by a person, and resumed', async () => {
  const page = await logIn();
  await see(page, 'Providers');
  await page.getByRole('button', {name: 'Suspend…'}).click();
  const dialog = page.getByRole('dialog', {name: 'Suspend mail'});
  await dialog.getByLabel('Sender').fill('example.test');
  await dialog.getByLabel('Provider').fill('yahoo');
  await dialog.getByLabel('For', {exact: true}).selectOption('2h');
  await dialog.getByLabel('Reason').fill('a test');
  await dialog.getByRole('button', {name: 'Suspend'}).click();
  await noted(page, /Suspended: example.test at yahoo/);
  await page.getByRole('heading', {name: 'Held back'}).waitFor();
  await world('send', {to: 'held@yahoo.com'});
  await world('send', {to: 'passes@dest.test'});
  await world('arrived', {provider: 'other', to: 'passes@dest.test'});
  await waitingBecomes(1);
  await see(page, 'Overview');
  await page.getByRole('heading', {name: 'Some mail is held back'}).waitFor();
  await page.getByRole('button', {name: 'Resume'}).click();
  await noted(page, /Mail goes on: example.test at yahoo/);
  await world('arrived', {provider: 'yahoo', to: 'held@yahoo.com'});
  await done(page);
});

test('Google refuses for want of DKIM: the page says what to publish; after that a person resumes, and the mail is there', async () => {
  const page = await logIn();
  await world('unpublish');
  await world('refuse', {provider: 'google', reply: GMAIL, verb: 'dot'});
  await world('send', {to: 'first@gmail.com'});
  await page.getByText('google refuses mail of example.test').first().waitFor();
  await accessible(page, 'overview with trouble');
  await page.locator('.item', {hasText: 'google refuses mail of example.test'}).getByRole('link', {name: 'Check its records'}).click();
  await page.getByRole('heading', {name: 'DNS records'}).waitFor({timeout: 80000});
  await page.getByRole('group').filter({hasText: 'rsa._domainkey.example.test'}).getByText('missing').first().waitFor();
  await accessible(page, 'deliverability');
  await world('publish');
  await world('accept', {provider: 'google'});
  await see(page, 'Providers');
  await page.getByText('there is no such record').first().waitFor(); // what DNS showed when it was refused
  await page.getByRole('button', {name: 'Resume'}).click();
  await noted(page, /Mail goes on: example.test at google/);
  await world('arrived', {provider: 'google', to: 'first@gmail.com'});
  await done(page);
});

test('two domains: one is chosen, and looked at', async () => {
  const page = await logIn();
  await see(page, 'Deliverability');
  await page
    .getByRole('navigation', {name: 'Domains'})
    .getByRole('link', {name: /second\.test/})
    .click();
  await page.getByRole('heading', {name: 'second.test'}).waitFor({timeout: 80000});
  await page.getByText(/checks? in order/).waitFor();
  await page.getByText(/checks? in order/).click();
  await page.getByText(/queue/i).first().waitFor();
  await done(page);
});

test('who only looks sees all and changes nothing, whatever he sends', async () => {
  const page = await logIn(LOOKER);
  await page.getByText('Read-only: you logged in with the read-only token').waitFor();
  await see(page, 'Providers');
  const button = page.getByRole('button', {name: 'Suspend…'});
  await button.waitFor();
  assert.equal(await button.getAttribute('aria-disabled'), 'true');
  const status = await page.evaluate(
    async () =>
      (await fetch('v1/suspensions/suspend?sender=example.test&provider=yahoo', {method: 'POST', headers: {'X-Posthorn-Request': '1'}}))
        .status,
  );
  assert.equal(status, 403);
  await done(page, /403/);
});

test('another site’s page changes nothing with this browser’s session', async () => {
  const page = await logIn();
  const refused = await page.evaluate(async () => (await fetch('v1/mailq/flush'.replace('v1/', ''), {method: 'POST'})).status);
  assert.equal(refused, 403, 'without the field that only our own page sends');
  const elsewhere = await page.request.post(`${URL_}mailq/flush`, {
    headers: {'X-Posthorn-Request': '1', Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site'},
  });
  assert.equal(elsewhere.status(), 403);
  await done(page, /403/);
});

test('whose clock is three hours behind sees times as they are', async () => {
  const page = await logIn(TOKEN, {clock: Date.now() - 3 * 3600e3});
  await putOff(page, 'clock@yahoo.com');
  await page.locator('.facts').getByText(/^(now|\d+ s ago)$/).waitFor(); // taken in
  await page.getByText(/^Next try in (1 h|59 min)/).waitFor();
  await page.getByRole('button', {name: 'Delete'}).click();
  await page.getByRole('dialog').getByRole('button', {name: 'Delete'}).click();
  await noted(page, 'Deleted: 1 recipient');
  await world('accept', {provider: 'yahoo'});
  await done(page);
});

test('by keyboard alone: skip link, login, a message held and released', async () => {
  await world('refuse', {provider: 'yahoo', reply: LATER});
  await world('send', {to: 'keys@yahoo.com'});
  const page = await visit(URL_);
  const press = (key) => page.keyboard.press(key);
  const focused = () =>
    page.evaluate(() => {
      const element = document.activeElement;
      return element === document.body || element.id === 'main' || element.tagName === 'DIALOG'
        ? ''
        : (element.getAttribute('aria-label') || element.textContent || '').trim();
    });
  // Tab until something has the focus, as a person does who looks at the ring.
  const reach = async (words, key = 'Tab') => {
    for (let turn = 0; turn < 80; ++turn) {
      await press(key);
      if (!(await focused()).includes(words)) continue;
      const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(ring, 'none', `${words} shows that it has the focus`);
      return;
    }
    assert.fail(`${words} is not reached by ${key}`);
  };
  await page.keyboard.type(TOKEN); // the field has the focus
  await press('Enter');
  await page.waitForFunction(() => document.activeElement.id === 'main'); // after the login the view has the focus
  await reach('Skip to content', 'Shift+Tab');
  await press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await reach('Skip to content', 'Shift+Tab');
  await reach('Queue');
  await press('Enter');
  await page.getByRole('link', {name: 'keys@yahoo.com'}).waitFor();
  await reach('keys@yahoo.com');
  await press('Enter');
  await page.getByRole('button', {name: 'Hold'}).waitFor();
  await reach('Hold');
  await press('Space');
  await noted(page, 'Held until it is released');
  await page.getByRole('button', {name: 'Release'}).waitFor();
  await reach('Release');
  await press('Enter');
  await noted(page, /^Released: 1 recipient/);
  await reach('Delete');
  await press('Enter');
  await page.getByRole('dialog').waitFor();
  await reach('Delete');
  await press('Enter');
  await noted(page, 'Deleted');
  await world('accept', {provider: 'yahoo'});
  await done(page);
});

test('on a phone: every view by thumb', async () => {
  const page = await logIn(TOKEN, {phone: true});
  for (const [view, title] of [
    ['Queue', 'Queue'],
    ['Providers', 'Providers'],
    ['Deliverability', 'Deliverability'],
  ]) {
    await page.getByRole('navigation', {name: 'Views'}).getByRole('link', {name: view}).tap();
    await page.locator('main h1', {hasText: title}).waitFor();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `${view} is ${width} wide`);
  }
  await done(page);
});

test('the history outlives a restart, and the page finds the daemon again', async () => {
  const page = await logIn();
  const before_ = await (await page.request.get(`${URL_}v1/history?hours=1&step=60`)).json();
  const delivered = before_.rows.reduce((sum, row) => sum + row[2], 0);
  assert.ok(delivered > 0);
  await world('kill');
  await page.getByText('Reconnecting').waitFor();
  await world('start');
  await page.getByLabel('Access token').waitFor({timeout: 60000}); // sessions are in memory alone
  await done(page, /./);
  await world('restart');
  const again = await logIn();
  await world('send', {to: 'after@dest.test'});
  await world('arrived', {provider: 'other', to: 'after@dest.test'});
  await world('restart');
  const third = await logIn();
  const history = await (await third.request.get(`${URL_}v1/history?hours=1&step=60`)).json();
  assert.ok(history.rows.reduce((sum, row) => sum + row[2], 0) >= 1, 'what was delivered before the restart');
  await done(third);
  await done(again, /./);
});
