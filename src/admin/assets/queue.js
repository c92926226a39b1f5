// What waits: page by page, by domain, sender or user, with the reason of each.
import {get, post} from './api.js';
import {isOfMail} from './activity.js';
import {ask, deed, empty, loading, note} from './dialog.js';
import {h, show} from './dom.js';
import {icon} from './icons.js';
import {addressOf, classWords, count, due, number, when} from './words.js';

const PAGE = 50;
const MOST_KEPT_FRESH = 200; // as many as one question may ask for; of longer lists only these are brought up to date

const FILTERS = [
  {name: 'domain', words: 'Recipient’s domain', hint: 'gmail.com'},
  {name: 'from', words: 'Sender’s address', hint: 'shop@example.com'},
  {name: 'user', words: 'User', hint: 'shop'},
];

export function queueView(context) {
  const {place, link, mayNot, refresh} = context;
  let filter = FILTERS[0];
  let value = '';
  let hint = ''; // of the filter that is chosen, and not yet asked for
  if (context.words[0] && FILTERS.some((one) => one.name === context.words[0])) {
    filter = FILTERS.find((one) => one.name === context.words[0]);
    value = context.words[1] || '';
  }
  const site = filter.name === 'domain' ? value : ''; // only a domain's mail can be tried apart
  let entries = [];
  let next = null;
  let total = 0;
  let fetched = false;
  let reading = false;
  show(place, loading());

  const query = (after, limit) => ({[filter.name]: value, after, limit});

  async function more() {
    if (reading || !next) return;
    reading = true;
    draw();
    try {
      const page = await get('v1/queue', query(next, PAGE));
      const known = new Set(entries.map((entry) => entry.id));
      entries = entries.concat(page.messages.filter((entry) => !known.has(entry.id)));
      next = page.next;
    } catch (failure) {
      note(failure.message, 'bad');
    } finally {
      reading = false;
      draw();
    }
  }

  function draw() {
    show(
      place,
      h(
        'div',
        {class: 'view-head', key: 'head'},
        h(
          'div',
          {},
          h('h1', {}, 'Queue'),
          h(
            'p',
            {class: 'quiet'},
            total
              ? `${count(total, 'recipient')} of ${count(messages, 'message')} ${total === 1 ? 'waits' : 'wait'}${value ? ' in all' : ''}`
              : 'No mail waits',
          ),
        ),
        total
          ? h(
              'div',
              {class: 'buttons'},
              deed({
                words: site ? `Try ${site} now` : value ? 'Try the whole queue now' : 'Try all now',
                name: 'again',
                key: 'flush',
                reason: mayNot,
                after: refresh,
                run: flush,
                before: () =>
                  total < 500 || site
                    ? true
                    : ask({
                        title: 'Try all of it now?',
                        words: `${count(total, 'recipient')} will be tried as quickly as the receivers’ limits allow.`,
                        yes: 'Try now',
                      }),
              }),
            )
          : null,
      ),
      total || value ? form() : null,
      entries.length ? list() : fetched ? nothing() : loading(),
    );
  }
  let messages = 0;

  const flush = async () => {
    await post('mailq/flush', site ? {site} : {});
    return site ? `Mail to ${site} is tried now` : 'What waits is tried now';
  };

  function nothing() {
    if (value)
      return h(
        'div',
        {class: 'panel'},
        empty(
          'search',
          'Nothing of that waits',
          `No message in the queue has the ${filter.words.toLowerCase()} “${value}”.`,
          h(
            'button',
            {
              type: 'button',
              class: 'button',
              onclick: () => {
                location.hash = link('queue');
              },
            },
            'Show all',
          ),
        ),
      );
    return h('div', {class: 'panel'}, empty('check', 'The queue is empty', 'All mail has been delivered, or returned to its sender.'));
  }

  function form() {
    return h(
      'form',
      {
        class: 'filter',
        key: 'filter',
        role: 'search',
        'aria-label': 'Filter the queue',
        onsubmit: (event) => {
          event.preventDefault();
          const data = new FormData(event.target);
          const wanted = String(data.get('value')).trim();
          const to = wanted ? link('queue', data.get('by'), wanted) : link('queue');
          if (location.hash === to) refresh();
          else location.hash = to;
        },
      },
      h(
        'label',
        {class: 'filter-by'},
        h('span', {class: 'out-of-sight'}, 'Filter by'),
        h(
          'select',
          {
            name: 'by',
            onchange: (event) => {
              hint = FILTERS.find((one) => one.name === event.target.value).hint;
              draw();
            },
          },
          FILTERS.map((one) => h('option', {value: one.name, selected: one === filter}, one.words)),
        ),
      ),
      h('input', {
        name: 'value',
        type: 'search',
        value,
        placeholder: hint || filter.hint,
        'aria-label': 'Value to filter by',
        autocomplete: 'off',
        spellcheck: 'false',
      }),
      h('button', {type: 'submit', class: 'button'}, 'Filter'),
      value ? h('a', {class: 'button quiet-button', href: link('queue')}, 'Show all') : null,
    );
  }

  function list() {
    return h(
      'div',
      {class: 'panel flush', key: 'list'},
      h(
        'div',
        {class: 'rows', role: 'table', 'aria-label': 'Messages that wait'},
        h(
          'div',
          {role: 'rowgroup', class: 'rows-head'},
          h(
            'div',
            {role: 'row', class: 'row'},
            ['Message', 'Why it waits', 'Next try', 'Taken in'].map((name) => h('div', {role: 'columnheader'}, name)),
          ),
        ),
        h('div', {role: 'rowgroup'}, entries.map(row)),
      ),
      next
        ? h(
            'div',
            {class: 'more-row'},
            h(
              'button',
              {type: 'button', class: 'button', 'aria-busy': reading ? 'true' : null, onclick: more},
              reading ? 'Loading…' : `Show more`,
            ),
            h('span', {class: 'quiet'}, `${number(entries.length)}${value ? '' : ` of ${number(messages)}`} shown`),
          )
        : null,
    );
  }

  function row(entry) {
    const recipients = entry.recipients || [];
    const worst =
      recipients.find((one) => one.held) ||
      recipients.find((one) => one.state === 'held') ||
      recipients.find((one) => one.reply) ||
      recipients[0];
    const others = (entry.recipient_count || recipients.length) - 1;
    return h(
      'div',
      {role: 'row', class: 'row', key: entry.id},
      h(
        'div',
        {role: 'cell', class: 'cell-main'},
        h('a', {href: link('message', entry.id), class: 'row-link'}, recipients[0] ? recipients[0].address : entry.id),
        others > 0 ? h('span', {class: 'badge'}, `+${number(others)}`) : null,
        h('span', {class: 'row-from'}, 'from ', addressOf(entry.from)),
      ),
      h('div', {role: 'cell', class: 'cell-why'}, reasonOf(entry, worst)),
      h('div', {role: 'cell', class: 'cell-next'}, h('span', {class: 'cell-label'}, 'Next try '), worst ? nextOf(worst) : '–'),
      h('div', {role: 'cell', class: 'cell-age'}, h('span', {class: 'cell-label'}, 'Taken in '), when(entry.accepted_at)),
    );
  }

  return {
    async refresh() {
      const limit = Math.min(MOST_KEPT_FRESH, Math.max(PAGE, entries.length));
      const [page, status] = await Promise.all([get('v1/queue', query(undefined, limit)), get('v1/status')]);
      const tail = entries.length > limit ? entries.slice(limit) : [];
      const known = new Set(page.messages.map((entry) => entry.id));
      entries = page.messages.concat(tail.filter((entry) => !known.has(entry.id)));
      if (!tail.length) next = page.next;
      total = status.store.recipients;
      messages = status.store.messages;
      fetched = true;
      draw();
    },
    wants: isOfMail,
  };
}

export function reasonOf(entry, recipient) {
  if (!recipient) return '–';
  if (entry.suspension)
    return [
      h('span', {class: 'chip warn'}, icon('lock'), 'user suspended'),
      h('span', {class: 'row-reply'}, entry.suspension.reason || ''),
    ];
  if (recipient.delivering) return h('span', {class: 'chip good'}, icon('go'), 'on its way');
  if (recipient.state === 'held')
    return h('span', {class: 'chip warn'}, icon('pause'), recipient.held_by === 'suspension' ? 'user suspended' : 'held by an operator');
  if (recipient.held) return [h('span', {class: 'chip warn'}, icon('pause'), 'held'), h('span', {class: 'row-reply'}, recipient.held)];
  if (!recipient.attempts) return h('span', {class: 'chip'}, icon('clock'), 'not tried yet');
  return [h('span', {class: 'chip'}, classWords(recipient.class) || 'put off'), h('span', {class: 'row-reply'}, recipient.reply)];
}

export function nextOf(recipient) {
  if (recipient.state === 'held') return 'when it is released';
  if (recipient.delivering) return 'now';
  if (recipient.held) return 'when it may go on';
  return due(recipient.due_at);
}
