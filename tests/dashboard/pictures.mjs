// The pictures of docs/screenshots: `node pictures.mjs FOLDER [NAME...]`, with the played daemon, at its hour.
import {mkdir} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {answers, domains, EVENTS, NOW, queuePage, serve, status, history, PAIR, REPORT_WELL} from './stage.mjs';

const require = createRequire(`${process.env.DASHBOARD_MODULES || process.cwd()}/`);
const {chromium} = require('playwright-core');

const WIDE = {width: 1280, height: 900};
const PHONE = {width: 360, height: 780};
const WELL = {'GET v1/status': status(), 'GET v1/alarms': {alarms: []}};
const PICTURES = [
  {name: 'overview', hash: 'overview'},
  {name: 'overview-dark', hash: 'overview', dark: true},
  {name: 'overview-phone', hash: 'overview', view: PHONE},
  {name: 'overview-well', hash: 'overview', answers: WELL},
  {
    name: 'overview-new',
    hash: 'overview',
    answers: {
      ...WELL,
      'GET v1/status': status({up: 40}),
      'GET v1/history': (query) => history(Number(query.get('hours')), Number(query.get('step')), {quiet: true}),
    },
    events: [],
  },
  {name: 'overview-broken', hash: 'overview', answers: {...WELL, 'GET v1/status': status({healthy: false, waiting: 80})}},
  {
    name: 'queue',
    hash: 'queue',
    answers: {'GET v1/queue': queuePage(10000), 'GET v1/status': status({waiting: 10211, messages: 10000, oldest: 231000})},
  },
  {name: 'queue-phone', hash: 'queue', view: PHONE},
  {name: 'queue-empty', hash: 'queue', answers: {'GET v1/queue': {messages: [], next: null}, 'GET v1/status': status()}},
  {name: 'message', hash: 'message/1m81en6ddve14', full: true},
  {name: 'message-phone', hash: 'message/1m81en6ddve14', view: PHONE},
  {name: 'message-delete', hash: 'message/1m81en6ddve14', act: (page) => page.getByRole('button', {name: 'Delete'}).click()},
  {name: 'domains', hash: 'domains/shop.example.com', answers: {'GET v1/domains': {domains: domains(50)}}, wait: 'DNS records', full: true},
  {
    name: 'domains-dark',
    hash: 'domains/shop.example.com',
    answers: {'GET v1/domains': {domains: domains(50)}},
    wait: 'DNS records',
    dark: true,
  },
  {name: 'domains-phone', hash: 'domains/shop.example.com', wait: 'DNS records', view: PHONE},
  {
    name: 'domains-well',
    hash: 'domains/example.com',
    wait: 'DNS records',
    answers: {'GET v1/domains': {domains: domains(1)}, 'GET v1/doctor': REPORT_WELL},
  },
  {name: 'domains-looking', hash: 'domains/example.com', answers: {'GET v1/doctor': () => new Promise(() => {})}},
  {
    name: 'providers',
    hash: 'providers',
    answers: {
      'GET v1/status': status({
        waiting: 14,
        pairs: [PAIR],
        marks: [{what: 'example.com to google', sent_in_a_day: 4312, mark: 5000}],
        warm_up: [{what: '203.0.113.26 to yahoo', sent_today: 180, allowed_today: 400, next: '800 tomorrow'}],
      }),
    },
  },
  {name: 'providers-dark', hash: 'providers', dark: true},
  {name: 'providers-suspend', hash: 'providers', act: (page) => page.getByRole('button', {name: 'Suspend…'}).click()},
  {
    name: 'read-only',
    hash: 'message/1m81en6ddve14',
    answers: {'GET v1/session': {rights: 'read', read_only: false, version: '0.1.0', hostname: 'mail.example.com'}},
  },
  {name: 'login', hash: '', answers: {'GET v1/session': {rights: 'none', read_only: false}}, view: {width: 900, height: 640}},
  {
    name: 'login-dark',
    hash: '',
    answers: {
      'GET v1/session': {rights: 'none', read_only: false},
      'POST v1/session': {status: 401, body: {error: 'this is not the token'}},
    },
    dark: true,
    view: {width: 900, height: 640},
    act: async (page) => {
      await page.getByLabel('Access token').fill('not-it');
      await page.keyboard.press('Enter');
      await page.getByText('this is not the token').waitFor();
    },
  },
];

const [folder = 'pictures', ...wanted] = process.argv.slice(2);
await mkdir(folder, {recursive: true});
const browser = await chromium.launch({executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox']});
for (const picture of PICTURES) {
  if (wanted.length && !wanted.includes(picture.name)) continue;
  const stage = await serve({answers: answers(picture.answers || {}), events: picture.events || EVENTS});
  const context = await browser.newContext({
    viewport: picture.view || WIDE,
    colorScheme: picture.dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
    deviceScaleFactor: picture.view === PHONE ? 2 : 1,
    timezoneId: 'UTC',
    locale: 'en-GB',
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(picture.name, error));
  page.on('console', (message) => message.type() === 'error' && console.error(picture.name, message.text()));
  await page.clock.setFixedTime(NOW);
  await page.goto(`${stage.url}#/${picture.hash}`);
  await page.locator('#main').waitFor();
  if (picture.wait) await page.getByRole('heading', {name: picture.wait}).waitFor();
  await page.waitForTimeout(400);
  if (picture.act) await picture.act(page);
  await page.screenshot({path: `${folder}/${picture.name}.png`, fullPage: Boolean(picture.full)});
  await context.close();
  stage.close();
}
await browser.close();
