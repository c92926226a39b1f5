// Numbers, times and states as people read them.
import {h} from './dom.js';

const whole = new Intl.NumberFormat('en');

export const number = (value) => whole.format(value || 0);
export const count = (value, one, many) => `${number(value)} ${value === 1 ? one : many || one + 's'}`;

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
export function stamp(milliseconds) {
  return Date.now() - milliseconds < 18 * 3600e3 && milliseconds - Date.now() < 18 * 3600e3
    ? clock.format(milliseconds)
    : day.format(milliseconds);
}

// "3 min ago", "in 12 min", with the exact time behind it.
export function when(text, now = Date.now()) {
  const at = Date.parse(text || '');
  if (Number.isNaN(at)) return h('span', {class: 'quiet'}, '–');
  const seconds = (now - at) / 1000;
  const words = Math.abs(seconds) < 5 ? 'now' : seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
  return h('time', {datetime: text, title: full.format(at)}, words);
}

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
