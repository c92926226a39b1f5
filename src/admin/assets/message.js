// One message, or any answer to “why”: the sentence first, then what stands behind it, then what can be done.
import {get, post, remove} from './api.js';
import {isOfMail} from './activity.js';
import {ask, deed, empty, loading} from './dialog.js';
import {h, outside, show} from './dom.js';
import {icon} from './icons.js';
import {addressOf, classWords, count, due, number, providerName, share, when} from './words.js';

const STATES = {
  waiting: ['clock', '', 'waits'],
  delivering: ['go', 'good', 'on its way'],
  held: ['pause', 'warn', 'held'],
  suspended: ['lock', 'warn', 'suspended'],
  delivered: ['check', 'good', 'delivered'],
  failed: ['cross', 'bad', 'failed'],
  gone: ['dash', '', 'gone'],
};
const WAITS = new Set(['waiting', 'delivering', 'held', 'suspended']);

export function messageView(context) {
  const {place, words, link, mayNot, refresh, title} = context;
  const id = words[0] || '';
  title(`Message ${id}`);
  show(place, loading());

  function actions(told) {
    const waiting = (told.recipients || []).filter((one) => WAITS.has(one.state));
    if (!waiting.length) return null;
    const held = waiting.some((one) => one.state === 'held');
    const losers = count(Math.max(waiting.length, told.message?.recipient_count || 0), 'recipient');
    const path = `v1/queue/${encodeURIComponent(id)}`;
    const done = (answer, what) =>
      answer.recipients
        ? `${what}: ${count(answer.recipients, 'recipient')}`
        : 'Nothing to do: it is being tried, or it has left the queue';
    return h(
      'div',
      {class: 'buttons', role: 'group', 'aria-label': 'What can be done'},
      deed({
        words: 'Try now',
        name: 'again',
        first: true,
        reason: mayNot,
        after: refresh,
        run: async () => done(await post(`${path}/retry`), 'Tried now'),
      }),
      held
        ? deed({
            words: 'Release',
            name: 'play',
            key: 'hold', // one button that changes: who pressed it keeps the focus
            reason: mayNot,
            after: refresh,
            run: async () => done(await post(`${path}/release`), 'Released'),
          })
        : deed({
            words: 'Hold',
            name: 'pause',
            key: 'hold',
            reason: mayNot,
            after: refresh,
            run: async () => done(await post(`${path}/hold`), 'Held until it is released'),
          }),
      deed({
        words: 'Return to sender',
        name: 'reply',
        reason: mayNot,
        after: refresh,
        run: async () => done(await post(`${path}/bounce`), 'Given up, and the sender is told'),
        before: () =>
          ask({
            title: 'Give this message up?',
            words: `${losers} will not get it. ${told.message?.from ? `${told.message.from} is told by mail.` : 'Nobody is told: it has the null sender.'}`,
            yes: 'Return to sender',
            danger: true,
          }),
      }),
      deed({
        words: 'Delete',
        name: 'bin',
        danger: true,
        reason: mayNot,
        after: refresh,
        run: async () => done(await remove(path), 'Deleted'),
        before: () =>
          ask({
            title: 'Delete this message?',
            words: `${losers} will not get it, and its sender is not told. This cannot be undone.`,
            yes: 'Delete',
            danger: true,
          }),
      }),
    );
  }

  return {
    async refresh() {
      const told = await get('v1/why', {what: id});
      const message = told.message || {};
      const recipients = told.recipients || [];
      show(
        place,
        h('a', {href: link('queue'), class: 'up-link', key: 'up'}, icon('back'), 'Queue'),
        h(
          'div',
          {class: 'view-head', key: 'head'},
          h('div', {}, h('h1', {}, told.known ? headOf(recipients) : 'No such message'), h('p', {class: 'answer'}, told.answer)),
          actions(told),
        ),
        told.known
          ? h(
              'dl',
              {class: 'panel facts', key: 'facts'},
              fact('Queue id', h('code', {}, id)),
              fact('From', addressOf(message.from ?? '')),
              message.accepted_at ? fact('Taken in', when(message.accepted_at)) : null,
              message.expires_at ? fact('Given up at the latest', when(message.expires_at)) : null,
              message.size ? fact('Size', `${number(Math.ceil(message.size / 1024))} KiB`) : null,
              message.source ? fact('Handed in by', message.source) : null,
              message.stream ? fact('Stream', message.stream) : null,
            )
          : null,
        told.known
          ? recipients.map((one) => recipientPanel(one, link, told.answer))
          : h(
              'div',
              {class: 'panel'},
              empty('search', 'Nothing is known of it', 'It was delivered longer ago than the journal goes back, or it never was here.'),
            ),
        session(told.session),
      );
    },
    wants: (event) => isOfMail(event) && (event.event === 'connected' || !event.id || event.id === id),
  };
}

function headOf(recipients) {
  if (recipients.length === 1) return `To ${recipients[0].address}`;
  return recipients.length ? `To ${recipients[0].address} and ${count(recipients.length - 1, 'other')}` : 'Message';
}

const fact = (name, ...words) => h('div', {}, h('dt', {}, name), h('dd', {}, words));

// said: what stands above it already.
function recipientPanel(one, link, said = '') {
  const [name, tone, words] = STATES[one.state] || STATES.gone;
  const last = one.last || {};
  return h(
    'section',
    {class: 'panel recipient', key: `${one.message?.id || ''} to ${one.address}`, 'aria-label': `Recipient ${one.address}`},
    h('div', {class: 'panel-head'}, h('h2', {class: 'address'}, one.address), h('span', {class: `chip ${tone}`}, icon(name), words)),
    one.answer && !said.includes(one.answer) ? h('p', {}, sentence(one.answer)) : null,
    last.reply
      ? h(
          'figure',
          {class: 'reply', key: 'reply'},
          h('figcaption', {}, 'They said', one.last_attempt ? [' ', when(one.last_attempt)] : '', last.host ? [' (', last.host, ')'] : ''),
          h('pre', {tabindex: '0', 'aria-label': 'Their reply'}, last.reply),
        )
      : null,
    last.class
      ? h(
          'p',
          {class: 'quiet'},
          h('span', {class: 'chip'}, classWords(last.class)),
          ' ',
          last.class_meaning || last.meaning || '',
          last.link ? [' ', outside(last.link)] : '',
        )
      : null,
    one.in_doubt
      ? h(
          'p',
          {class: 'obstacle', key: 'doubt'},
          icon('question'),
          h('span', {}, `It may have been delivered to ${one.in_doubt} already: the connection was lost after its end.`),
        )
      : null,
    (one.in_the_way || []).map((obstacle) =>
      h(
        'div',
        {class: 'obstacle', key: `obstacle ${obstacle.kind}`},
        icon('pause'),
        h(
          'div',
          {},
          h('p', {}, sentence(obstacle.words)),
          obstacle.end ? h('p', {class: 'quiet'}, 'Ends: ', obstacle.end) : null,
          obstacle.advice ? h('p', {}, obstacle.advice) : null,
          obstacle.detail ? h('details', {}, h('summary', {}, 'What was found'), h('pre', {tabindex: '0'}, obstacle.detail)) : null,
        ),
      ),
    ),
    one.next
      ? h(
          'p',
          {class: 'next'},
          icon('clock'),
          h(
            'span',
            {},
            h('strong', {}, 'Next try '),
            one.next.at ? [due(one.next.at), ': '] : '',
            one.next.words,
            // Sooner than the message itself.
            one.given_up ? ['; given up ', when(one.given_up), ' if it is not repaired by then'] : '',
          ),
        )
      : null,
    last.advice ? h('p', {class: 'advice'}, icon('go'), h('span', {}, last.advice)) : null,
    (one.history || []).length
      ? h(
          'details',
          {class: 'past', key: 'past'},
          h('summary', {}, `What happened before (${one.history.length})`),
          h(
            'ol',
            {class: 'past-list'},
            one.history.map((entry) =>
              h(
                'li',
                {},
                when(entry.at),
                h('span', {class: `past-event ${STATES[entry.event]?.[1] || ''}`}, entry.event),
                h('span', {class: 'row-reply'}, entry.reply),
              ),
            ),
          ),
        )
      : null,
    one.address.includes('@')
      ? h(
          'p',
          {class: 'quiet after', key: 'after'},
          one.message ? [h('a', {href: link('message', one.message.id)}, 'The message'), ' · '] : null,
          h('a', {href: link('why', one.address)}, 'All mail to this address'),
          ' · ',
          h('a', {href: link('queue', 'domain', one.address.split('@').pop())}, `Queue of ${one.address.split('@').pop()}`),
        )
      : null,
  );
}

function session(told) {
  if (!told || !told.text) return null;
  return h(
    'details',
    {class: 'panel session', key: 'session'},
    h('summary', {}, 'The last session that did not go well'),
    h('p', {class: 'quiet'}, when(told.at), told.host ? [', with ', told.host] : ''),
    h('pre', {tabindex: '0', 'aria-label': 'Transcript of the session'}, told.text),
  );
}

const sentence = (words) => (words ? words[0].toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? '' : '.') : '');

// Any question: an id leads to its message, the rest is told here.
export function whyView(context) {
  const {place, words, link, title} = context;
  const what = words.join('/');
  title(`Why ${what}`);
  show(place, loading('Asking queue, journal and DNS…'));
  return {
    async refresh() {
      const told = await get('v1/why', {what});
      if (!place.isConnected) return;
      if (told.kind === 'message' && told.known) {
        location.replace(link('message', what));
        return;
      }
      const sums = (name, one) =>
        one ? fact(name, `${number(one.delivered)} delivered, ${number(one.deferred)} put off, ${number(one.failed)} failed`) : null;
      const oldest = told.oldest || [];
      const waiting = told.waiting?.recipients ?? told.waiting ?? undefined; // of a provider it is the number alone
      show(
        place,
        h(
          'div',
          {class: 'view-head', key: 'head'},
          h('div', {}, h('h1', {}, told.kind === 'provider' ? providerName(what) : what), h('p', {class: 'answer'}, told.answer)),
        ),
        !told.known
          ? h(
              'div',
              {class: 'panel'},
              empty(
                'search',
                'Nothing is known of it',
                'A queue id, a recipient’s address, a domain (yours or a recipient’s) or a provider such as google can be asked about.',
              ),
            )
          : null,
        waiting !== undefined || told.hour || told.day
          ? h(
              'dl',
              {class: 'panel facts', key: 'facts'},
              waiting !== undefined ? fact('Waiting', count(waiting, 'recipient')) : null,
              sums('Last hour', told.hour),
              sums('Last day', told.day),
              told.day ? fact('Went through', share(told.day.delivered, told.day.delivered + told.day.deferred + told.day.failed)) : null,
            )
          : null,
        told.suppressed
          ? h(
              'p',
              {class: 'panel item bad'},
              icon('dash'),
              h(
                'span',
                {},
                'Put on the suppression list ',
                when(told.suppressed.since),
                ': ',
                told.suppressed.reply || told.suppressed.class,
              ),
            )
          : null,
        (told.limits || []).map((limit) =>
          h(
            'div',
            {class: 'panel item warn', key: `limit ${limit.words}`},
            icon('pause'),
            h(
              'div',
              {class: 'item-body'},
              h('p', {class: 'strong'}, sentence(limit.words)),
              limit.reply ? h('p', {class: 'said'}, limit.reply) : null,
              limit.next || limit.advice ? h('p', {class: 'quiet'}, limit.next || limit.advice) : null,
              limit.detail ? h('details', {}, h('summary', {}, 'What was found'), h('pre', {tabindex: '0'}, limit.detail)) : null,
            ),
          ),
        ),
        oldest.length
          ? h(
              'section',
              {key: 'oldest', 'aria-label': 'What waits longest'},
              h('h2', {}, 'What waits longest'),
              oldest.map((one) => recipientPanel(one, link)),
            )
          : null,
        (told.lately || []).length
          ? h(
              'section',
              {class: 'panel', key: 'lately'},
              h('div', {class: 'panel-head'}, h('h2', {}, 'Lately')),
              h(
                'ol',
                {class: 'past-list'},
                told.lately.map((entry) =>
                  h(
                    'li',
                    {},
                    when(entry.at),
                    h('span', {class: `past-event ${STATES[entry.event]?.[1] || ''}`}, entry.event),
                    h('span', {class: 'row-reply'}, entry.recipient || entry.to || entry.address || '', ' ', entry.reply || ''),
                  ),
                ),
              ),
            )
          : null,
        session(told.session),
      );
    },
    wants: isOfMail,
  };
}
