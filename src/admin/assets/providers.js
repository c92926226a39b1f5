// Who takes our mail, how well, and what is held from whom; suspending and resuming.
import {get, post} from './api.js';
import {isOfMail} from './activity.js';
import {resumeButton} from './overview.js';
import {ask, copyButton, deed, empty, loading} from './dialog.js';
import {h, outside, show} from './dom.js';
import {icon} from './icons.js';
import {KINDS} from './chart.js';
import {due, number, providerName, share, since, until} from './words.js';

const PHASES = {
  held: 'Held',
  probing: 'A probe is under way; held',
  trial: 'A probe is due; held',
  releasing: 'Goes on, slowly at first; was held',
};

export function providersView(context) {
  const {place, link, mayNot, refresh} = context;
  let domains = [];
  show(place, loading());

  function suspend(names) {
    const option = (value) => h('option', {value});
    return deed({
      words: 'Suspend…',
      name: 'pause',
      reason: mayNot,
      after: refresh,
      before: () =>
        ask({
          title: 'Suspend mail',
          words: 'Mail of this sender to this provider is held until you resume it, or until the time is over. New mail is still taken in.',
          yes: 'Suspend',
          fields: [
            h(
              'div',
              {class: 'field'},
              h('label', {for: 'suspend-sender'}, 'Sender'),
              h('input', {
                id: 'suspend-sender',
                name: 'sender',
                required: true,
                list: 'suspend-senders',
                autocomplete: 'off',
                spellcheck: 'false',
                value: domains[0] || '',
                'aria-describedby': 'suspend-sender-help',
              }),
              h('datalist', {id: 'suspend-senders'}, domains.map(option), option('ip')),
              h(
                'p',
                {class: 'quiet', id: 'suspend-sender-help'},
                'One of your domains, an address of this machine, or ip for the whole machine',
              ),
            ),
            h(
              'div',
              {class: 'field'},
              h('label', {for: 'suspend-provider'}, 'Provider'),
              h('input', {
                id: 'suspend-provider',
                name: 'provider',
                required: true,
                list: 'suspend-providers',
                autocomplete: 'off',
                spellcheck: 'false',
                placeholder: 'google',
              }),
              h('datalist', {id: 'suspend-providers'}, names.filter(Boolean).map(option)),
            ),
            h(
              'div',
              {class: 'two'},
              h(
                'div',
                {class: 'field'},
                h('label', {for: 'suspend-for'}, 'For'),
                h(
                  'select',
                  {id: 'suspend-for', name: 'for'},
                  [
                    ['', 'until resumed'],
                    ['30m', '30 minutes'],
                    ['2h', '2 hours'],
                    ['1d', 'one day'],
                    ['3d', '3 days'],
                  ].map(([value, words]) => h('option', {value}, words)),
                ),
              ),
              h(
                'div',
                {class: 'field'},
                h('label', {for: 'suspend-reason'}, 'Reason'),
                h('input', {
                  id: 'suspend-reason',
                  name: 'reason',
                  maxlength: '200',
                  autocomplete: 'off',
                  placeholder: 'for your colleagues',
                }),
              ),
            ),
          ],
        }),
      run: async (given) => {
        const {pairs} = await post('v1/suspensions/suspend', {
          sender: given.sender,
          provider: given.provider,
          for: given.for,
          reason: given.reason,
        });
        return pairs.length ? `Suspended: ${pairs.join(', ')}` : 'It was suspended already';
      },
    });
  }

  function pairPanel(pair) {
    return h(
      'li',
      {class: 'panel item warn', key: pair.pair},
      icon(pair.phase === 'releasing' ? 'play' : 'pause'),
      h(
        'div',
        {class: 'item-body'},
        h('p', {class: 'strong'}, pair.words),
        h(
          'p',
          {class: 'quiet'},
          PHASES[pair.phase] || pair.phase,
          ' ',
          since(pair.since),
          pair.until ? [', and ', until(pair.until)] : '',
          pair.next_poll ? ['; DNS is looked at again ', due(pair.next_poll)] : '',
          pair.next_probe ? ['; the next probe ', due(pair.next_probe)] : '',
        ),
        pair.reply
          ? h(
              'figure',
              {class: 'reply'},
              h('figcaption', {}, 'They said', pair.host ? ` (${pair.host})` : ''),
              h('pre', {tabindex: '0', 'aria-label': 'Their reply'}, pair.reply),
            )
          : null,
        pair.advice ? h('p', {}, pair.advice) : null,
        diagnosis(pair.diagnosis),
        h(
          'div',
          {class: 'buttons'},
          resumeButton(pair, mayNot, refresh),
          pair.sender ? h('a', {class: 'button', href: link('domains', pair.sender)}, 'Check its records') : null,
          pair.first_message ? h('a', {class: 'button', href: link('message', pair.first_message)}, 'The first message') : null,
          pair.link ? outside(pair.link, 'What they say about it') : null,
        ),
      ),
    );
  }

  return {
    async refresh() {
      const [status, day, known] = await Promise.all([get('v1/status'), get('v1/history', {hours: 24, step: 60}), get('v1/domains')]);
      domains = known.domains.map((one) => one.name);
      const pairs = status.daemon.pairs || [];
      const slowed = status.daemon.shaping?.slowed || [];
      const warming = (status.daemon.shaping?.warm_up || []).filter((one) => one.allowed_today !== undefined);
      const marks = status.daemon.shaping?.bulk_marks || [];
      const rows = Object.entries(day.providers)
        .map(([name, sums]) => ({name, ...sums, tried: sums.delivered + sums.deferred + sums.failed}))
        .sort((a, b) => (a.name === '') - (b.name === '') || b.tried - a.tried);
      show(
        place,
        h(
          'div',
          {class: 'view-head', key: 'head'},
          h(
            'div',
            {},
            h('h1', {}, 'Providers'),
            h('p', {class: 'quiet'}, 'Who took your mail in the last 24 hours, and what is held back'),
          ),
          h('div', {class: 'buttons'}, suspend(rows.map((one) => one.name))),
        ),
        pairs.length
          ? h(
              'section',
              {key: 'pairs', 'aria-labelledby': 'pairs-title'},
              h('h2', {id: 'pairs-title'}, 'Held back'),
              h('ul', {class: 'attention'}, pairs.map(pairPanel)),
            )
          : null,
        slowed.length
          ? h(
              'section',
              {key: 'slowed', 'aria-labelledby': 'slowed-title'},
              h('h2', {id: 'slowed-title'}, 'Slowed down'),
              h(
                'ul',
                {class: 'attention'},
                slowed.map((one) =>
                  h(
                    'li',
                    {class: 'panel item warn', key: one.what},
                    icon('clock'),
                    h(
                      'div',
                      {class: 'item-body'},
                      h('p', {class: 'strong'}, one.what),
                      h('p', {class: 'quiet'}, one.next, one.until ? [' Paused ', until(one.until), '.'] : ''),
                      one.reply ? h('p', {class: 'said'}, one.reply) : null,
                    ),
                  ),
                ),
              ),
            )
          : null,
        h(
          'section',
          {class: 'panel flush', key: 'table', 'aria-label': 'Deliveries by provider'},
          rows.length
            ? h(
                'div',
                {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of providers'},
                h(
                  'table',
                  {class: 'wide-table'},
                  h(
                    'thead',
                    {},
                    h(
                      'tr',
                      {},
                      h('th', {scope: 'col'}, 'Provider'),
                      h('th', {scope: 'col', class: 'figure through'}, 'Went through'),
                      h('th', {scope: 'col', class: 'figure'}, 'Delivered'),
                      h('th', {scope: 'col', class: 'figure'}, 'Put off'),
                      h('th', {scope: 'col', class: 'figure'}, 'Failed'),
                      h('th', {scope: 'col', class: 'hours'}, 'By the hour'),
                    ),
                  ),
                  h(
                    'tbody',
                    {},
                    rows.map((one) =>
                      h(
                        'tr',
                        {key: one.name || 'others'},
                        h('th', {scope: 'row'}, one.name ? h('a', {href: link('why', one.name)}, providerName(one.name)) : 'Others'),
                        h('td', {class: 'figure through strong'}, share(one.delivered, one.tried)),
                        h('td', {class: 'figure'}, number(one.delivered)),
                        h('td', {class: `figure ${one.deferred ? 'warn' : 'quiet'}`}, number(one.deferred)),
                        h('td', {class: `figure ${one.failed ? 'bad' : 'quiet'}`}, number(one.failed)),
                        h('td', {class: 'hours'}, hours(one, day)),
                      ),
                    ),
                  ),
                ),
              )
            : empty('globe', 'No delivery in the last 24 hours', 'Each provider that took mail, or did not, gets a line here.'),
        ),
        warming.length
          ? h(
              'section',
              {class: 'panel', key: 'warming'},
              h('div', {class: 'panel-head'}, h('h2', {}, 'Warming up new addresses')),
              h(
                'ul',
                {class: 'plain'},
                warming.map((one) =>
                  h(
                    'li',
                    {},
                    h('strong', {}, one.what),
                    ` ${number(one.sent_today)} of today’s ${number(one.allowed_today)}. `,
                    h('span', {class: 'quiet'}, one.next),
                  ),
                ),
              ),
            )
          : null,
        marks.length
          ? h(
              'section',
              {class: 'panel', key: 'marks'},
              h('div', {class: 'panel-head'}, h('h2', {}, 'Towards the bulk marks')),
              h(
                'ul',
                {class: 'plain'},
                marks.map((one) =>
                  h(
                    'li',
                    {},
                    h('strong', {}, one.what),
                    ` ${number(one.sent_in_a_day)} of ${number(one.mark)} in 24 hours. `,
                    h('span', {class: 'quiet'}, one.reached || ''),
                  ),
                ),
              ),
            )
          : null,
      );
    },
    wants: isOfMail,
  };
}

const FACTS = {fail: ['bad', 'cross'], pass: ['good', 'check'], unknown: ['quiet', 'question']};
const FACT_NAMES = {
  ptr: 'Reverse DNS',
  spf: 'SPF',
  dkim: 'DKIM',
  dmarc: 'DMARC',
  alignment: 'Alignment',
  helo: 'EHLO name',
  'sender-domain': 'The domain',
};

// What DNS showed when the pair was looked at, what fails first.
function diagnosis(told) {
  const facts = told?.facts || [];
  if (!facts.length) return null;
  const order = ['fail', 'unknown', 'pass'];
  const sorted = [...facts].sort((a, b) => order.indexOf(a.result) - order.indexOf(b.result));
  return h(
    'details',
    {open: true},
    h('summary', {}, 'What was found in DNS'),
    h(
      'ul',
      {class: 'checks'},
      sorted.map((fact) => {
        const [tone, name] = FACTS[fact.result] || FACTS.unknown;
        return h(
          'li',
          {class: tone},
          icon(name),
          h(
            'div',
            {},
            h('p', {}, h('strong', {}, FACT_NAMES[fact.kind] || fact.kind), ' ', fact.subject),
            h('p', {class: 'quiet'}, fact.detail),
            fact.result === 'fail' && fact.repair ? h('p', {}, 'To do: ', fact.repair) : null,
            fact.result === 'fail' && fact.record
              ? h(
                  'div',
                  {class: 'copy-block'},
                  h('pre', {tabindex: '0', 'aria-label': 'The record for the zone file'}, fact.record),
                  copyButton(fact.record, 'the record for the zone file'),
                )
              : null,
          ),
        );
      }),
    ),
  );
}

// A day in 24 small bars: how much, and what became of it.
function hours(one, day) {
  const rows = new Map(one.rows.map((row) => [row[0], row]));
  const all = [];
  for (let at = day.from; at <= day.to; at += day.step_seconds) all.push(rows.get(at) || [at, 0, 0, 0]);
  const most = Math.max(...all.map((row) => row[1] + row[2] + row[3]), 1);
  const height = 28;
  return h(
    'svg',
    {class: 'hours-chart', viewBox: `0 0 ${all.length * 6} ${height}`, width: all.length * 6, height, 'aria-hidden': 'true'},
    all.map((row, index) => {
      let below = 0;
      return KINDS.map((kind, place) => {
        const value = row[place + 1];
        if (!value) return null;
        const length = Math.max(1.5, (value / most) * (height - 2));
        below += length;
        return h('rect', {x: index * 6, y: (height - below).toFixed(1), width: 4.5, height: length.toFixed(1), class: `bar ${kind.name}`});
      });
    }),
  );
}
