// The last events, as the daemon told them: what became of mail, and what else matters.
import {empty} from './dialog.js';
import {h} from './dom.js';
import {icon} from './icons.js';
import {now, stamp} from './words.js';

const MOST = 40;

const KNOWN = {
  delivered: ['good', 'check', (event) => `Delivered to ${event.to}`],
  deferred: ['warn', 'clock', (event) => `Put off: ${event.to}`],
  failed: ['bad', 'cross', (event) => `Given up: ${event.to}`],
  suppressed: ['bad', 'dash', (event) => `Not sent, suppressed: ${event.to}`],
  stored: [
    'quiet',
    'queue',
    (event) => `Taken in from ${event.from === '' || event.from === '<>' ? 'the null sender' : event.from || 'a client'}`,
  ],
  suspended: ['warn', 'pause', (event) => `Held: ${event.pair || event.user || ''}`],
  released: ['good', 'play', (event) => `Goes on: ${event.pair || ''}`],
  probe: ['quiet', 'again', (event) => `One message probes ${event.pair || 'a provider'}`],
  repaired: ['good', 'check', (event) => `Repaired in DNS: ${event.pair || ''}`],
  alarm: ['bad', 'alert', (event) => event.text || `Alarm: ${event.alarm || ''}`],
  queue_unhealthy: ['bad', 'cross', (event) => `The queue cannot be written: ${event.reason || ''}`],
  queue_healthy: ['good', 'check', () => 'The queue can be written again'],
  reload_failed: ['bad', 'alert', (event) => `The configuration was not taken over: ${event.reason || ''}`],
  ready: ['good', 'play', () => 'Posthorn has started'],
};

export const isOfMail = (event) =>
  ['delivered', 'deferred', 'failed', 'suppressed', 'stored', 'suspended', 'released', 'connected'].includes(event.event);

export function activity() {
  const events = [];
  let number = 0;
  return {
    // True: it is shown.
    hear(event) {
      const known = KNOWN[event.event];
      if (!known) return false;
      const [tone, name, words] = known;
      const at = Date.parse(event.time || '') || now();
      events.unshift({
        key: ++number,
        tone,
        name,
        words: words(event),
        reply: typeof event.reply === 'string' && event.event !== 'delivered' ? event.reply : '',
        id: typeof event.id === 'string' ? event.id : '',
        at,
      });
      events.length = Math.min(events.length, MOST);
      return true;
    },
    list(link) {
      if (!events.length) return empty('clock', 'Nothing since you opened this page', 'Each delivery is shown here as it happens.');
      return h(
        'ol',
        {class: 'feed', tabindex: '0', 'aria-label': 'Events, the latest first'},
        events.map((one) =>
          h(
            'li',
            {key: `event ${one.key}`, class: one.tone},
            icon(one.name),
            h(
              'div',
              {},
              one.id
                ? h('a', {href: link('message', one.id), class: 'feed-words'}, one.words)
                : h('span', {class: 'feed-words'}, one.words),
              one.reply ? h('p', {class: 'feed-reply'}, one.reply) : null,
            ),
            h('time', {datetime: new Date(one.at).toISOString(), class: 'quiet'}, stamp(one.at)),
          ),
        ),
      );
    },
  };
}
