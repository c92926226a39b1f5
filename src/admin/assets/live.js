// What happens in the daemon, as it happens: server-sent events, with a new connection where one breaks.
import {place} from './api.js';

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30000;

let source = null;
let pause = FIRST_PAUSE;
let timer = 0;
let state = 'connecting';
let running = false;
const listeners = new Set();
const watchers = new Set();

// 'connecting', 'live', or 'lost': then the page asks again by the clock.
export function onState(watcher) {
  watchers.add(watcher);
  watcher(state);
}
function become(next) {
  if (state === next) return;
  state = next;
  for (const watcher of watchers) watcher(state);
}

// Gives what ends it.
export function onEvent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function start() {
  running = true;
  if (!source && !timer && !document.hidden) connect();
}

export function stop() {
  running = false;
  rest();
}

function rest() {
  clearTimeout(timer);
  timer = 0;
  if (source) source.close();
  source = null;
  become('connecting');
}

function connect() {
  timer = 0;
  source = new EventSource(place('v1/events'));
  source.onopen = () => {
    pause = FIRST_PAUSE;
    become('live');
    tell({event: 'connected'});
  };
  source.onmessage = (message) => {
    let event = null;
    try {
      event = JSON.parse(message.data);
    } catch {
      event = null;
    }
    if (event && typeof event === 'object') tell(event);
  };
  // A browser tries again by itself, but not when it was answered 503 or the like; one way for both.
  source.onerror = () => {
    source.close();
    source = null;
    become('lost');
    if (!running) return;
    timer = setTimeout(connect, pause);
    pause = Math.min(LONGEST_PAUSE, pause * 2);
  };
}

function tell(event) {
  for (const listener of [...listeners]) listener(event);
}

// At once when somebody looks again, or the network is back.
function again() {
  if (!running || source || document.hidden) return;
  clearTimeout(timer);
  pause = FIRST_PAUSE;
  connect();
}
for (const type of ['online', 'focus']) addEventListener(type, again);

// Nobody sees what happens in a tab behind others, and streams are few: a browser has six connections to a server, and that serves eight.
document.addEventListener('visibilitychange', () => (document.hidden ? rest() : again()));
