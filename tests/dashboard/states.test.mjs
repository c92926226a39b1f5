// The page in each state that it can be in, with a played daemon (stage.mjs): nothing cut off, nothing unreadable, nothing of mail taken for a page.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {accessible, open, stop, visit} from './browser.mjs';
import {
  answers,
  domains,
  EVENTS,
  history,
  message,
  NOW,
  PAIR,
  queuePage,
  RECORDS,
  REPORT_WELL,
  serve,
  status,
  WHY_MESSAGE,
} from './stage.mjs';

before(open);
after(stop);

const VIEWS = ['overview', 'queue', 'message/1m81en6ddve14', 'domains/shop.example.com', 'providers', 'why/google'];
const WHY_PROVIDER = {
  asked: 'google',
  kind: 'provider',
  known: true,
  answer: 'google: 14 recipients wait.',
  waiting: 14,
  hour: {delivered: 90, deferred: 3, failed: 0},
  day: {delivered: 1710, deferred: 23, failed: 2},
  oldest: [],
  limits: [],
  lately: [],
  session: null,
};

// One played daemon and one page at it.
async function staged(how, body) {
  const play = {answers: answers(how.answers || {}), events: how.events === undefined ? EVENTS : how.events};
  const stage = await serve(play);
  const page = await visit(`${stage.url}#/${how.hash || 'overview'}`, how);
  try {
    await body(page, stage, play);
    assert.deepEqual(
      page.troubles.filter((words) => !(how.allowed || /^$/).test(words)),
      [],
      'what the browser complained of',
    );
  } finally {
    await page.context().close();
    stage.close();
  }
}

const why = (query) => (query.get('what') === 'google' ? WHY_PROVIDER : WHY_MESSAGE);
const heading = (page) => page.locator('main h1').first();

for (const dark of [false, true])
  for (const phone of [false, true])
    test(`accessible, and nothing cut off: ${dark ? 'dark' : 'light'}, ${phone ? 'phone of 360' : 'desktop'}`, async () => {
      await staged({dark, phone, answers: {'GET v1/why': why, 'GET v1/domains': {domains: domains(50)}}}, async (page) => {
        for (const view of VIEWS) {
          await page.evaluate((hash) => {
            location.hash = hash;
          }, `#/${view}`);
          await heading(page).waitFor();
          if (view.startsWith('domains')) await page.getByRole('heading', {name: 'DNS records'}).waitFor();
          await page.waitForTimeout(100);
          await accessible(page, view);
          const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
          assert.ok(width[0] <= width[1], `${view} is ${width[0]} wide in a window of ${width[1]}`);
          if (view === 'providers')
            assert.ok(await page.locator('.scroll').evaluate((table) => table.scrollWidth <= table.clientWidth), 'what failed is seen at once');
        }
      });
    });

test('50 domains: found by a few letters, each with its state', async () => {
  await staged({hash: 'domains', answers: {'GET v1/domains': {domains: domains(50)}, 'GET v1/doctor': REPORT_WELL}}, async (page) => {
    const list = page.getByRole('navigation', {name: 'Domains'});
    await page.getByRole('heading', {name: 'DNS records'}).waitFor();
    await page.getByText(/^Looked at (now|.* ago)$/).waitFor(); // an answer may be a minute old
    assert.equal(await list.getByRole('listitem').count(), 50);
    await page.getByLabel('Search domains').pressSequentially('hotel');
    assert.equal(await list.getByRole('listitem').count(), 7); // six of that name, and the one that is shown
    await list.getByRole('link', {name: /hotel-am-see-15/}).click();
    await page.getByRole('heading', {name: 'hotel-am-see-15.example'}).waitFor();
  });
});

test('10,000 waiting: a page at a time, and what was shown stays', async () => {
  await staged(
    {
      hash: 'queue',
      answers: {'GET v1/queue': queuePage(10000), 'GET v1/status': status({waiting: 10211, messages: 10000, oldest: 231000})},
    },
    async (page, stage) => {
      await page.getByText('10,211 recipients of 10,000 messages wait').waitFor();
      const rows = page.getByRole('row');
      assert.equal(await rows.count(), 51);
      await page.getByRole('button', {name: 'Show more'}).click();
      await page.getByText('100 of 10,000 shown').waitFor();
      const link = rows.nth(60).getByRole('link');
      await link.focus();
      const address = await link.textContent();
      stage.tell({event: 'delivered', id: 'x', to: 'a@b.example'}); // the page is brought up to date beneath the reader
      await page.waitForResponse((answer) => answer.url().includes('v1/queue'));
      await page.waitForTimeout(150);
      assert.equal(await page.evaluate(() => document.activeElement.textContent), address);
      await page.getByLabel('Value to filter by').fill('gmail.com');
      await page.keyboard.press('Enter');
      await page.waitForURL(/queue\/domain\/gmail\.com/);
      await rows.nth(5).waitFor();
      for (const words of await page.locator('.row-link').allTextContents()) assert.match(words, /@gmail\.com$/);
    },
  );
});

const BY_CLOCK = 21000; // after so long a view has asked again
const focused = (page) => page.evaluate(() => document.activeElement.textContent);

test('a view that is brought up to date takes neither the focus, nor a key or click under way: 50 times', async () => {
  const told = structuredClone(WHY_MESSAGE);
  await staged({hash: 'message/1m81en6ddve14', clock: NOW, answers: {'GET v1/why': () => told}}, async (page) => {
    const anew = async (turn) => {
      told.recipients[0].state = turn % 2 ? 'waiting' : 'held'; // “Hold” becomes “Release” beside it, an obstacle goes and comes
      told.recipients[0].in_the_way = turn % 2 ? WHY_MESSAGE.recipients[0].in_the_way : [];
      await page.clock.fastForward(BY_CLOCK);
      await page.getByRole('button', {name: turn % 2 ? 'Hold' : 'Release'}).waitFor();
    };
    const dialog = page.getByRole('dialog', {name: 'Delete this message?'});
    const button = page.getByRole('button', {name: 'Delete', exact: true});
    await button.focus();
    for (let turn = 0; turn < 50; ++turn) {
      const way = ['Enter', 'Space', 'mouse'][turn % 3];
      if (way === 'Space') await page.keyboard.down('Space');
      if (way === 'mouse') {
        await button.hover();
        await page.mouse.down();
      }
      await anew(turn);
      assert.equal(await focused(page), 'Delete', `the focus, turn ${turn}`);
      if (way === 'Enter') await page.keyboard.press('Enter');
      if (way === 'Space') await page.keyboard.up('Space');
      if (way === 'mouse') await page.mouse.up();
      await dialog.waitFor({timeout: 5000});
      await page.keyboard.press('Escape');
      await dialog.waitFor({state: 'detached'});
      assert.equal(await focused(page), 'Delete');
    }
    await page.getByRole('button', {name: 'Hold'}).focus();
    await anew(50);
    assert.equal(await focused(page), 'Release', 'a button that changes keeps the focus');
    await page.getByText('What happened before').click();
    await anew(51);
    assert.ok(await page.locator('.past-list').isVisible(), 'details stay open');
  });
});

test('the queue moves on beneath a reader: his row keeps the focus; if it goes, the next has it', async () => {
  const messages = Array.from({length: 12}, (_, number) => message(number));
  await staged({hash: 'queue', clock: NOW, answers: {'GET v1/queue': () => ({messages, next: null})}}, async (page) => {
    const link = (id) => page.locator(`.row-link[href="#/message/${id}"]`);
    const leaves = async (id) => {
      messages.splice(
        messages.findIndex((one) => one.id === id),
        1,
      );
      await page.clock.fastForward(BY_CLOCK);
      await link(id).waitFor({state: 'detached'});
    };
    const has = () => page.evaluate(() => document.activeElement.getAttribute('href'));
    const [first, , , , fifth, sixth, , , , , eleventh, twelfth] = messages.map((one) => one.id);
    await link(fifth).focus();
    await leaves(first);
    assert.equal(await has(), `#/message/${fifth}`);
    messages.push(messages.shift()); // and another order
    await page.clock.fastForward(BY_CLOCK);
    await page.locator('.row').nth(1).locator(`[href="#/message/${messages[0].id}"]`).waitFor();
    assert.equal(await has(), `#/message/${fifth}`);
    await leaves(fifth);
    assert.equal(await has(), `#/message/${sixth}`);
    await leaves(eleventh);
    await link(messages.at(-1).id).focus();
    await leaves(messages.at(-1).id);
    assert.equal(await has(), `#/message/${twelfth}`, 'behind the last there is none');
  });
});

test('a deed is done once, however often the view is brought up to date meanwhile; what was chosen stays', async () => {
  let asked = 0;
  let answer;
  const told = structuredClone(WHY_MESSAGE);
  const retried = () => {
    ++asked;
    return new Promise((resolve) => {
      answer = resolve;
    });
  };
  await staged(
    {hash: 'message/1m81en6ddve14', clock: NOW, answers: {'GET v1/why': () => told, 'POST v1/queue/1m81en6ddve14/retry': retried}},
    async (page) => {
      const button = page.getByRole('button', {name: 'Try now'});
      await button.click();
      told.recipients[0].state = 'held';
      await page.clock.fastForward(BY_CLOCK);
      await page.getByRole('button', {name: 'Release'}).waitFor();
      assert.equal(await button.getAttribute('aria-busy'), 'true');
      await button.click();
      answer({recipients: 1});
      await page.locator('#notes').getByText('Tried now: 1 recipient').waitFor();
      assert.equal(await button.getAttribute('aria-busy'), null);
      assert.equal(asked, 1);
      await page.getByRole('link', {name: 'Queue', exact: true}).first().click();
      await page.locator('select[name=by]').selectOption('user');
      const again = page.waitForResponse((one) => one.url().includes('v1/queue'));
      await page.clock.fastForward(BY_CLOCK);
      await again;
      await page.waitForFunction(() => document.querySelector('[name=value]').placeholder === 'shop');
    },
  );
});

test('several messages to one address are told of each by itself, and go on being', async () => {
  const one = WHY_MESSAGE.recipients[0];
  const oldest = ['1m81en6ddve14', '1m81en6ddve15', '1m81en6ddve16'].map((id) => ({...one, message: {id}}));
  const told = {kind: 'recipient', known: true, answer: '3 messages wait.', waiting: {recipients: 3}, oldest, lately: [], session: null};
  let asked = 0;
  const why_ = () => {
    told.answer = `3 messages wait (${++asked}).`;
    return told;
  };
  await staged({hash: `why/${one.address}`, clock: NOW, answers: {'GET v1/why': why_}}, async (page) => {
    await page.getByText('wait (1)').waitFor();
    assert.equal(await page.locator('.recipient').count(), 3);
    await page.clock.fastForward(BY_CLOCK);
    await page.getByText('wait (2)').waitFor();
    assert.equal(await page.locator('.recipient').count(), 3);
    await page.getByRole('link', {name: 'The message', exact: true}).nth(1).click();
    await page.waitForURL(/message\/1m81en6ddve15/);
  });
});

test('an answer that takes long holds up no other view, and leads nobody away from it', async () => {
  let answer = null;
  const slow = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  await staged({hash: 'why/1m81en6ddve14', answers: {'GET v1/why': slow}}, async (page) => {
    await page.getByText('Asking queue, journal and DNS').waitFor();
    await page.getByRole('link', {name: 'Queue'}).click();
    await page.getByRole('row').nth(3).waitFor({timeout: 5000});
    const answered = page.waitForResponse((one) => one.url().includes('v1/why'));
    answer(WHY_MESSAGE);
    await (await answered).finished();
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 50))); // its turn has come
    assert.match(page.url(), /#\/queue$/);
    assert.equal(await page.title(), 'Queue · Posthorn');
  });
});

test('times are those of the server, whatever the clock of who looks says', async () => {
  for (const wrong of [-3 * 3600e3, 50 * 3600e3])
    await staged({hash: 'queue', clock: NOW + wrong, answers: {'GET v1/queue': queuePage(3)}}, async (page) => {
      await page.getByRole('row').nth(2).waitFor();
      assert.deepEqual(await page.locator('.cell-age time').allTextContents(), ['40 s ago', '1 min ago', '1 min ago']);
      for (const words of await page.locator('.cell-next').allTextContents()) assert.match(words, /^Next try (in |now)/);
    });
});

test('a tab that nobody sees follows no events; seen again, it does', async () => {
  await staged({}, async (page, stage) => {
    const turn = (hidden) =>
      page.evaluate((value) => {
        Object.defineProperty(document, 'hidden', {value, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
      }, hidden);
    const followers = async (number) => {
      for (const end = Date.now() + 10000; stage.followers() !== number && Date.now() < end; )
        await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(stage.followers(), number);
    };
    await page.locator('#live.live').waitFor();
    await followers(1);
    await turn(true);
    await followers(0);
    await turn(false);
    await page.locator('#live.live').waitFor();
    await followers(1);
    stage.tell({event: 'delivered', id: '1m81en6ddve14', to: 'seen@again.example'});
    await page.getByText('Delivered to seen@again.example').waitFor();
  });
});

test('a session that ends leads to the login at once, past a question that stood open', async () => {
  await staged({hash: 'message/1m81en6ddve14', allowed: /401|503|Failed to load|ERR_/}, async (page, stage, play) => {
    await page.locator('#live.live').waitFor();
    await page.getByRole('button', {name: 'Delete'}).click();
    await page.getByRole('dialog').waitFor();
    play.answers['GET v1/why'] = {status: 401, body: {error: 'log in'}};
    play.events = null;
    stage.cut();
    await page.getByText('The session has ended').waitFor({timeout: 10000});
    await page.getByRole('dialog').waitFor({state: 'detached'});
    assert.equal(await page.evaluate(() => document.activeElement.id), 'token');
    await page.keyboard.type('typed at once');
    assert.equal(await page.getByLabel('Access token').inputValue(), 'typed at once');
  });
});

test('a record that is missing in another’s zone is not said to be published', async () => {
  const missing = (one) => (one.kind === 'ptr' ? {...one, state: 'missing', record: {...one.record, zone: ''}} : {...one, state: 'present'});
  const unknown = (one) => ({...one, state: 'unknown'});
  for (const [change, words] of [
    [missing, '1 record to publish, in another zone than shop.example.com'],
    [unknown, '5 records could not be looked up'],
    [(one) => ({...one, state: 'present'}), 'All that is needed is published'],
  ])
    await staged(
      {hash: 'domains/shop.example.com', answers: {'GET v1/records': {...RECORDS, records: RECORDS.records.map(change)}}},
      (page) => page.getByText(words).waitFor(),
    );
});

test('nothing from mail is ever a page: replies, addresses, names, links', async () => {
  const evil =
    '<img src=x onerror="window.taken=1"><script>window.taken=1</script><a href="javascript:window.taken=1">click</a>\u202egnp.exe\u0007\u061c\u00ad\u2028\u{e0041}';
  const address = '"<svg/onload=window.taken=1>"@evil.example';
  const entry = message(4);
  entry.from = address;
  entry.recipients[0] = {...entry.recipients[0], address, reply: evil, held: evil, attempts: 2, class: 'auth'};
  const told = structuredClone(WHY_MESSAGE);
  told.answer = evil;
  told.message.from = address;
  told.message.source = evil;
  Object.assign(told.recipients[0], {address, answer: evil, in_doubt: evil});
  Object.assign(told.recipients[0].last, {reply: evil, host: evil, class_meaning: evil, advice: evil, link: 'javascript:window.taken=1'});
  told.recipients[0].in_the_way[0] = {...told.recipients[0].in_the_way[0], words: evil, end: evil, advice: evil, detail: evil};
  told.recipients[0].history[0].reply = evil;
  told.session.text = evil;
  const pair = {
    ...PAIR,
    words: evil,
    reply: evil,
    advice: evil,
    link: 'data:text/html,<script>window.taken=1</script>',
    diagnosis: {facts: [{kind: evil, result: 'fail', subject: evil, detail: evil, repair: evil, record: evil}]},
  };
  const report = structuredClone(REPORT_WELL);
  report.findings[0] = {
    ...report.findings[0],
    verdict: 'FAIL',
    title: evil,
    detail: evil,
    repair: evil,
    records: [evil],
    commands: [evil],
    meaning: {gmail: evil},
  };
  report.counts = {...report.counts, FAIL: 1};
  report.verdict = evil;
  const sums = {delivered: 1, deferred: 2, failed: 3, rows: []};
  const day = (query) => ({...history(Number(query.get('hours')), Number(query.get('step'))), providers: {[evil]: sums}});
  const all = {
    'GET v1/status': status({waiting: 1, pairs: [pair], slowed: [{what: evil, next: evil, reply: evil}], suspended_users: [evil]}),
    'GET v1/alarms': {alarms: [{alarm: 'x', subject: evil, since: PAIR.since, text: evil, advice: evil}]},
    'GET v1/queue': {messages: [entry], next: null},
    'GET v1/why': told,
    'GET v1/doctor': report,
    'GET v1/history': day,
    'GET v1/session': {rights: 'all', hostname: evil, version: evil},
  };
  await staged(
    {
      answers: all,
      events: ['deferred', 'failed', 'stored', 'suspended', 'alarm'].map((event) => ({
        event,
        id: '1m81en6ddve14',
        to: address,
        from: address,
        reply: evil,
        pair: evil,
        text: evil,
      })),
    },
    async (page) => {
      for (const view of VIEWS) {
        await page.evaluate((hash) => {
          location.hash = hash;
        }, `#/${view}`);
        await heading(page).waitFor();
        await page.getByText('<img src=x').first().waitFor(); // it is there, as text
        if (view.startsWith('message')) await page.getByText('It may have been delivered to <img src=x').waitFor();
        await page.waitForTimeout(100);
        assert.equal(await page.evaluate(() => window.taken), undefined);
        assert.equal(await page.locator('img, iframe, script:not([type=module]), a[href^="javascript:"], a[href^="data:"]').count(), 0);
        const hides = /[\u202e\u0007\u061c\u00ad\u2028\u{e0041}]/u; // or turns the direction of what follows
        assert.doesNotMatch(await page.locator('body').textContent(), hides, 'it is shown as what it is');
      }
    },
  );
});

test('read-only: what would change something says why it does not', async () => {
  let changed = 0;
  await staged(
    {
      hash: 'message/1m81en6ddve14',
      answers: {
        'GET v1/session': {rights: 'read', read_only: false, hostname: 'mail.example.com'},
        'POST v1/queue/1m81en6ddve14/retry': () => {
          ++changed;
          return {recipients: 1};
        },
      },
    },
    async (page) => {
      await page.getByText('Read-only: you logged in with the read-only token').waitFor();
      await page.getByText('Next try in 7 min: DNS is looked at again then; given up in 2 d 22 h if it is not repaired by then').waitFor(); // he sees everything
      const button = page.getByRole('button', {name: 'Try now'});
      assert.equal(await button.getAttribute('aria-disabled'), 'true');
      await button.click({force: true});
      await page.locator('#notes').getByText('Read-only').waitFor();
      assert.equal(changed, 0);
    },
  );
});

test('what cannot be shown says so, and goes on by itself', async () => {
  let broken = true;
  const real = answers()['GET v1/queue'];
  await staged(
    {
      hash: 'queue',
      allowed: /503|Failed to load/,
      answers: {'GET v1/queue': (query) => (broken ? {status: 503, body: {error: 'the disk is slow'}} : real(query))},
    },
    async (page) => {
      await page.getByText('the disk is slow').waitFor();
      broken = false;
      await page.getByRole('button', {name: 'Try again'}).click();
      await page.getByRole('row').nth(3).waitFor();
    },
  );
});

test('the stream of events breaks and comes back; meanwhile the page says so', async () => {
  await staged({allowed: /503|Failed to load|ERR_/}, async (page, stage, play) => {
    await page.locator('#live.live').getByText('Live').waitFor();
    play.events = null;
    stage.cut();
    await page.getByText('Reconnecting').waitFor();
    play.events = [];
    await page.locator('#live').getByText('Live').waitFor();
    stage.tell({event: 'delivered', id: '1m81en6ddve14', to: 'back@again.example'});
    await page.getByText('Delivered to back@again.example').waitFor();
  });
});

test('no event is lost to a reader who stands on it: details stay open, what was typed stays', async () => {
  await staged({hash: 'overview'}, async (page, stage) => {
    await page.getByText('The figures as a table').click();
    await page.getByRole('region', {name: 'Figures by time'}).waitFor();
    await page.getByLabel(/Ask why/).fill('half a que');
    for (let turn = 0; turn < 3; ++turn) {
      stage.tell({event: 'delivered', id: 'x', to: `number${turn}@b.example`});
      await page.getByText(`Delivered to number${turn}@b.example`).waitFor();
    }
    assert.ok(await page.getByRole('region', {name: 'Figures by time'}).isVisible());
    assert.equal(await page.getByLabel(/Ask why/).inputValue(), 'half a que');
  });
});

test('charts are read by keyboard, and their figures are a table', async () => {
  await staged({}, async (page) => {
    const chart = page.getByRole('slider', {name: /What became of mail/});
    await chart.focus();
    await page.keyboard.press('Home');
    const first = await chart.getAttribute('aria-valuetext');
    await page.keyboard.press('ArrowRight');
    const second = await chart.getAttribute('aria-valuetext');
    assert.notEqual(first, second);
    assert.match(second, /\d+ delivered, \d+ put off, \d+ failed, \d+ waiting/);
    assert.ok(await chart.evaluate((element) => element === document.activeElement));
    await page.getByText('The figures as a table').click();
    assert.ok((await page.getByRole('region', {name: 'Figures by time'}).getByRole('row').count()) > 40);
  });
});

test('records are copied whole', async () => {
  await staged({hash: 'domains/shop.example.com', clipboard: true}, async (page) => {
    await page.getByRole('heading', {name: 'DNS records'}).waitFor();
    await page.getByRole('button', {name: 'Copy all missing records for the zone file'}).click();
    await page.getByRole('status').getByText('Copied all missing records for the zone file').waitFor(); // for who hears it
    await page.getByText('Copied', {exact: true}).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(copied, /s1\._domainkey\.shop\.example\.com\. 3600 IN TXT \( "v=DKIM1; k=rsa; p=[A-Za-z0-9+/]+" \)/);
    assert.match(copied, /v=spf1 ip4:203\.0\.113\.25/);
    assert.doesNotMatch(copied, /mta-sts/);
  });
});

test('an empty server: nothing broken, nothing odd', async () => {
  const nothing = (query) => history(Number(query.get('hours')), Number(query.get('step')), {quiet: true});
  const why_nothing = {asked: 'x', kind: 'message', known: false, answer: 'Nothing is known of it.', recipients: [], session: null};
  await staged(
    {
      answers: {
        'GET v1/status': status({up: 3}),
        'GET v1/alarms': {alarms: []},
        'GET v1/history': nothing,
        'GET v1/queue': {messages: [], next: null},
        'GET v1/domains': {domains: []},
        'GET v1/why': why_nothing,
      },
      events: [],
    },
    async (page) => {
      await page.getByRole('heading', {name: 'All is well'}).waitFor();
      for (const [view, words] of [
        ['queue', 'The queue is empty'],
        ['domains', 'No domain is configured'],
        ['providers', 'No delivery in the last 24 hours'],
        ['message/1m81en6ddve14', 'Nothing is known of it'],
        ['overview', 'Nothing since you opened this page'],
      ]) {
        await page.evaluate((hash) => {
          location.hash = hash;
        }, `#/${view}`);
        await page.getByText(words).first().waitFor();
        await accessible(page, view);
      }
    },
  );
});

test('who asks for no motion gets none that matters', async () => {
  await staged({answers: {'GET v1/doctor': () => new Promise(() => {})}, hash: 'domains'}, async (page) => {
    const steps = await page
      .locator('.spinner')
      .first()
      .evaluate((element) => getComputedStyle(element).animationTimingFunction);
    assert.match(steps, /steps/);
  });
});

test('a stream without a pause holds nothing up: the view is brought up to date meanwhile', async () => {
  let asked = 0;
  const page_ = queuePage(12);
  await staged(
    {
      hash: 'queue',
      answers: {
        'GET v1/queue': (query) => {
          ++asked;
          return page_(query);
        },
      },
    },
    async (page, stage) => {
      await page.getByRole('row').nth(3).waitFor();
      const before_ = asked;
      const ticks = setInterval(() => stage.tell({event: 'delivered', id: 'x', to: 'a@b.example'}), 200);
      try {
        await page.waitForResponse((answer) => answer.url().includes('v1/queue'), {timeout: 12000});
      } finally {
        clearInterval(ticks);
      }
      assert.ok(asked > before_);
    },
  );
});
