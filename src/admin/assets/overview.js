// The first view: is all well, what wants attention, what became of mail in the last day.
import {get, post} from './api.js';
import {activity} from './activity.js';
import {chartTable, KINDS, mailChart, steps, stepWords, waitingChart} from './chart.js';
import {deed, empty, loading} from './dialog.js';
import {h, outside, show} from './dom.js';
import {icon} from './icons.js';
import {count, due, number, providerName, share, since, span, until, when} from './words.js';

const STEP = 30; // minutes of a bar
const EVENTS_SHOWN_AFTER = 150; // ms: a newsletter is hundreds of events a second

export function overviewView(context) {
  const {place, link, mayNot, refresh} = context;
  const feed = activity();
  let told = null;
  let read = -1;
  let width = 0;
  let drawing = 0;
  show(place, loading());
  const sizes = new ResizeObserver(() => {
    const box = place.querySelector('.chart-box');
    if (box && Math.abs(box.clientWidth - width) > 2) draw();
  });
  sizes.observe(place);

  const onRead = (index) => {
    if (index === read) return;
    read = index;
    draw();
  };

  function draw() {
    clearTimeout(drawing);
    drawing = 0;
    if (!told) return;
    const {status, day, hour, alarms} = told;
    const all = steps(day);
    if (read >= all.length) read = -1;
    width = place.querySelector('.chart-box')?.clientWidth || Math.min(1100, place.clientWidth) - 42;
    const sums = sumOf(all);
    const troubles = attention(status, alarms, {link, mayNot, refresh});
    show(
      place,
      headline(status, hour, troubles),
      h(
        'section',
        {class: 'tiles', 'aria-label': 'Figures', key: 'tiles'},
        tile(
          'Waiting',
          number(status.store.recipients),
          !status.store.recipients
            ? 'nothing waits'
            : status.daemon.oldest_seconds
              ? `the oldest for ${span(status.daemon.oldest_seconds)}`
              : 'taken in just now',
          link('queue'),
          status.store.recipients && status.daemon.oldest_seconds > 4 * 3600 ? 'warn' : '',
        ),
        tile('Delivered', number(sums.delivered), 'in 24 hours', null, ''),
        tile('Put off', number(sums.deferred), 'attempts, in 24 hours', null, ''),
        tile('Failed', number(sums.failed), 'in 24 hours', null, sums.failed ? 'warn' : ''),
      ),
      troubles.length
        ? h(
            'section',
            {key: 'attention', 'aria-labelledby': 'attention-title'},
            h('h2', {id: 'attention-title'}, 'Needs attention'),
            h('ul', {class: 'attention'}, troubles),
          )
        : null,
      h(
        'section',
        {class: 'panel', key: 'chart', 'aria-labelledby': 'chart-title'},
        h(
          'div',
          {class: 'panel-head'},
          h('h2', {id: 'chart-title'}, 'The last 24 hours'),
          h(
            'ul',
            {class: 'legend'},
            KINDS.map((kind) => h('li', {}, h('span', {class: `swatch ${kind.name}`, 'aria-hidden': 'true'}), kind.words)),
          ),
        ),
        h(
          'p',
          {class: 'reading', 'aria-hidden': 'true'},
          read >= 0
            ? stepWords(all[read])
            : !all.some((step) => step.known)
              ? 'Nothing has been written down yet; the first figures appear within a minute'
              : `${count(sums.delivered, 'recipient')} delivered; each bar is ${STEP} minutes`,
        ),
        h('div', {class: 'chart-box'}, mailChart(all, width, read, onRead)),
        h('h3', {class: 'chart-name'}, 'Waiting'),
        waitingChart(all, width, read, onRead),
        chartTable(all),
      ),
      h(
        'div',
        {class: 'pair', key: 'pair'},
        h(
          'section',
          {class: 'panel', 'aria-labelledby': 'providers-title'},
          h(
            'div',
            {class: 'panel-head'},
            h('h2', {id: 'providers-title'}, 'Providers'),
            h('a', {href: link('providers'), class: 'more'}, 'All', icon('go')),
          ),
          providerRows(day),
        ),
        h(
          'section',
          {class: 'panel', 'aria-labelledby': 'activity-title'},
          h('div', {class: 'panel-head'}, h('h2', {id: 'activity-title'}, 'As it happens')),
          feed.list(link),
        ),
      ),
    );
  }

  return {
    async refresh() {
      const [status, day, hour, alarms] = await Promise.all([
        get('v1/status'),
        get('v1/history', {hours: 24, step: STEP}),
        get('v1/history', {hours: 1, step: 60}),
        get('v1/alarms'),
      ]);
      told = {status, day, hour, alarms: alarms.alarms || []};
      draw();
    },
    hear(event) {
      if (feed.hear(event) && !drawing) drawing = setTimeout(draw, EVENTS_SHOWN_AFTER);
    },
    leave() {
      clearTimeout(drawing);
      sizes.disconnect();
    },
  };
}

function sumOf(all) {
  const sums = {delivered: 0, deferred: 0, failed: 0};
  for (const step of all) for (const name of Object.keys(sums)) sums[name] += step[name];
  return sums;
}

function headline(status, hour, troubles) {
  const sums = sumOf(steps(hour));
  const tried = sums.delivered + sums.deferred + sums.failed;
  const waiting = status.store.recipients;
  const held = (status.daemon.pairs || []).filter((pair) => pair.phase !== 'releasing').length;
  const [tone, name, title] = !status.store.healthy
    ? ['bad', 'cross', 'No mail is taken or delivered']
    : held
      ? ['warn', 'pause', 'Some mail is held back']
      : troubles.length
        ? ['warn', 'alert', 'Posthorn works, with something to look at']
        : ['good', 'check', 'All is well'];
  const words = [
    waiting ? `${count(waiting, 'recipient')} ${waiting === 1 ? 'waits' : 'wait'}` : 'No mail waits',
    tried
      ? `in the last hour ${sums.delivered === tried ? `all ${number(tried)}` : `${number(sums.delivered)} of ${number(tried)}`} attempts went through`
      : 'no attempt in the last hour',
  ];
  return h(
    'section',
    {class: `headline ${tone}`, key: 'headline'},
    h('span', {class: 'headline-mark'}, icon(name)),
    h('div', {}, h('h1', {}, title), h('p', {}, !status.store.healthy ? status.store.reason : `${words.join('; ')}.`)),
    h('p', {class: 'quiet up'}, `running for ${span(status.daemon.up_seconds)}`),
  );
}

function tile(name, figure, words, to, tone) {
  const inside = [
    h('span', {class: 'tile-name'}, name),
    h('span', {class: `tile-figure ${tone}`}, figure),
    h('span', {class: 'tile-words'}, words),
  ];
  return to ? h('a', {class: 'tile', href: to}, inside) : h('div', {class: 'tile'}, inside);
}

// Everything that an operator may want to do something about, the gravest first.
export function attention(status, alarms, {link, mayNot, refresh}) {
  const daemon = status.daemon || {};
  const items = [];
  const item = (key, tone, name, title, words, ...more) =>
    items.push(
      h(
        'li',
        {class: `panel item ${tone}`, key},
        icon(name),
        h('div', {class: 'item-body'}, h('p', {class: 'strong'}, title), words ? h('p', {class: 'quiet'}, words) : null, more),
      ),
    );
  const pairs = (daemon.pairs || []).filter((pair) => pair.phase !== 'releasing');
  for (const pair of pairs)
    item(
      `pair ${pair.pair}`,
      'warn',
      'pause',
      pair.words,
      [
        'Held ',
        since(pair.since),
        pair.until
          ? [', and ', until(pair.until)]
          : pair.next_probe
            ? ['; the next probe ', due(pair.next_probe)]
            : pair.next_poll
              ? ['; DNS is looked at again ', due(pair.next_poll)]
              : '',
      ],
      pair.reply ? h('p', {class: 'said'}, pair.reply) : null,
      h(
        'div',
        {class: 'buttons'},
        resumeButton(pair, mayNot, refresh),
        h('a', {class: 'button', href: link('providers')}, 'Details'),
        pair.sender ? h('a', {class: 'button', href: link('domains', pair.sender)}, 'Check its records') : null,
        pair.link ? outside(pair.link, 'What they say about it') : null,
      ),
    );
  const inPairs = (alarm) => alarm.alarm === 'suspended' && pairs.length > 0;
  for (const alarm of alarms)
    if (!inPairs(alarm))
      item(
        `alarm ${alarm.alarm} ${alarm.subject}`,
        'bad',
        'alert',
        alarm.text || `${alarm.alarm}: ${alarm.subject}`,
        alarm.advice,
        h('p', {class: 'quiet'}, 'Raised ', when(alarm.since)),
      );
  for (const relay of daemon.relay_troubles || [])
    item(
      `relay ${relay.relay}`,
      'bad',
      'alert',
      `The relay ${relay.relay} does not work for us`,
      relay.words || relay.reply || relay.fault,
    );
  for (const slow of daemon.shaping?.slowed || [])
    item(
      `slow ${slow.what}`,
      'warn',
      'clock',
      `Slowed down: ${slow.what}`,
      [slow.next || '', slow.until ? [' Paused ', until(slow.until), '.'] : ''],
      slow.reply ? h('p', {class: 'said'}, slow.reply) : null,
    );
  for (const certificate of daemon.certificates || [])
    if (certificate.days_left < 14)
      item(
        `certificate ${certificate.file}`,
        certificate.days_left < 3 ? 'bad' : 'warn',
        'key',
        certificate.days_left < 0
          ? `The certificate of ${certificate.names} has ended`
          : `The certificate of ${certificate.names} ends in ${count(certificate.days_left, 'day')}`,
        certificate.file,
      );
  if ((daemon.suspended_users || []).length)
    item(
      'users',
      'warn',
      'lock',
      `${count(daemon.suspended_users.length, 'user')} may not send for now`,
      daemon.suspended_users.join(', '),
    );
  return items;
}

export function resumeButton(pair, mayNot, refresh) {
  return deed({
    words: 'Resume',
    name: 'play',
    key: `resume ${pair.pair}`,
    reason: mayNot,
    after: refresh,
    run: async () => {
      await post('v1/suspensions/resume', {sender: pair.sender || pair.source || 'ip', provider: pair.provider});
      return `Mail goes on: ${pair.pair}`;
    },
  });
}

function providerRows(day) {
  const all = Object.entries(day.providers)
    .map(([name, sums]) => ({name, ...sums, tried: sums.delivered + sums.deferred + sums.failed}))
    .sort((a, b) => b.tried - a.tried)
    .slice(0, 6);
  if (!all.length) return empty('globe', 'No delivery yet', 'Who took mail, and who did not, stands here within a minute.');
  return h(
    'ul',
    {class: 'shares'},
    all.map((one) =>
      h(
        'li',
        {key: one.name},
        h('span', {class: 'share-name'}, providerName(one.name)),
        h('span', {class: 'share-figure'}, share(one.delivered, one.tried), h('span', {class: 'quiet'}, ` of ${number(one.tried)}`)),
        h(
          'svg',
          {class: 'share-bar', viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true'},
          KINDS.reduce(
            (parts, kind) => {
              const length = (100 * one[kind.name]) / one.tried;
              if (length > 0)
                parts.list.push(h('rect', {x: parts.at.toFixed(2), y: 0, width: length.toFixed(2), height: 6, class: `bar ${kind.name}`}));
              parts.at += length;
              return parts;
            },
            {at: 0, list: []},
          ).list,
        ),
      ),
    ),
  );
}
