// Numbers, times and states as people read them.
import {h} from './dom.js';

const whole = new Intl.NumberFormat('en');

export const number = (value) => whole.format(value || 0);
export const count = (value, one, many) => `${number(value)} ${value === 1 ? one : many || one + 's'}`;

// What time it is there: the clock of who looks may be wrong.
let ahead = 0; // milliseconds
export const now = () => Date.now() + ahead;
export function serverSays(date) {
  const difference = Date.parse(date || '') - Date.now();
  if (Math.abs(difference - ahead) > 3000) ahead = difference; // a Date has whole seconds, and travels
}

// Two units at most: "3 d 4 h", "12 min".
export function span(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  if (rest < 60) return `${rest} s`;
  const parts = [];
  for (const [unit, length] of [
    ['d', 86400],
    ['h', 3600],
    ['min', 60],
  ]) {
    if (rest >= length && parts.length < 2) parts.push(`${Math.floor(rest / length)} ${unit}`);
    rest %= length;
    if (parts.length && unit === 'h') break;
  }
  if (parts.length === 1 && parts[0].endsWith('h') && rest >= 60) parts.push(`${Math.floor(rest / 60)} min`);
  return parts.join(' ');
}

export const share = (part, all) =>
  all === 0 ? '–' : part === all ? '100 %' : `${Math.min(99.9, Math.floor((1000 * part) / all) / 10)} %`;

const clock = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', hourCycle: 'h23'});
const day = new Intl.DateTimeFormat(undefined, {day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23'});
const full = new Intl.DateTimeFormat(undefined, {dateStyle: 'full', timeStyle: 'long'});

export const clockOf = (milliseconds) => clock.format(milliseconds);
export const stamp = (milliseconds) => (Math.abs(now() - milliseconds) < 18 * 3600e3 ? clock : day).format(milliseconds);

// A time in words, given how many seconds ago it was, with the exact one behind it.
function told(text, words) {
  const at = Date.parse(text || '');
  if (Number.isNaN(at)) return h('span', {class: 'quiet'}, '–');
  return h('time', {datetime: text, title: full.format(at)}, words((now() - at) / 1000));
}
// "3 min ago", "in 12 min".
export const when = (text) =>
  told(text, (ago) => (Math.abs(ago) < 5 ? 'now' : ago > 0 ? `${span(ago)} ago` : `in ${span(-ago)}`));
// "in 12 min", of what is done then, or as soon as its turn comes.
export const due = (text) => told(text, (ago) => (ago > -5 ? 'now' : `in ${span(-ago)}`));
// "for 3 min", of what began then; "for another 3 min", of what ends then.
export const since = (text) => told(text, (ago) => `for ${span(ago)}`);
export const until = (text) => told(text, (ago) => `for another ${span(-ago)}`);

// What a class of refusals means, in two or three words (docs/REFUSALS.md).
const CLASSES = {
  temp: 'passing trouble',
  grey: 'greylisting',
  throttle: 'too much at a time',
  auth: 'not authenticated',
  tlsreq: 'TLS wanted',
  rep: 'reputation',
  content: 'content refused',
  rfc: 'malformed',
  'rcpt-perm': 'no such mailbox',
  'rcpt-full': 'mailbox full',
  size: 'too large',
  proto: 'dialogue broken',
  relay: 'not their domain',
  mbr: 'not wanted',
  local: 'waits for us',
  dns: 'no way in DNS',
  connection: 'no connection',
  expired: 'time is over',
  suppressed: 'suppressed',
  permanent: 'refused for good',
  bounced: 'given up by operator',
};
export const classWords = (name) => CLASSES[name] || name || '';

export const VERDICTS = {
  FAIL: {tone: 'bad', icon: 'cross', words: 'Fails'},
  WARN: {tone: 'warn', icon: 'alert', words: 'Should be better'},
  UNKNOWN: {tone: 'quiet', icon: 'question', words: 'Not known'},
  PASS: {tone: 'good', icon: 'check', words: 'In order'},
  SKIP: {tone: 'quiet', icon: 'dash', words: 'Not looked at'},
};

const PROVIDERS = {
  google: 'Google',
  gmail: 'Gmail',
  yahoo: 'Yahoo',
  outlook: 'Outlook',
  microsoft: 'Microsoft',
  apple: 'Apple',
  '': 'Others',
};
export const providerName = (name) => PROVIDERS[name] || name;

export const addressOf = (text) => (text === '' ? 'the null sender' : text);
