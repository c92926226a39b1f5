// The frame of the page: who is looking, which view is shown, and when it is brought up to date.
import {get, onSignedOut, post} from './api.js';
import {askNoMore, note, trouble} from './dialog.js';
import {h, show} from './dom.js';
import {icon} from './icons.js';
import * as live from './live.js';
import {showLogin} from './login.js';
import {domainsView} from './domains.js';
import {messageView, whyView} from './message.js';
import {overviewView} from './overview.js';
import {providersView} from './providers.js';
import {queueView} from './queue.js';

const BY_CLOCK = 20000; // a view is asked for anew so often, whatever happens
const AFTER_EVENT = 700; // and so soon after something happened
const AT_MOST = 2500; // but not more often than this
const UNREACHABLE = 4000; // and so soon where nobody answered

const VIEWS = [
  {path: 'overview', words: 'Overview', icon: 'overview', make: overviewView},
  {path: 'queue', words: 'Queue', icon: 'queue', make: queueView},
  {path: 'domains', words: 'Deliverability', icon: 'shield', make: domainsView},
  {path: 'providers', words: 'Providers', icon: 'globe', make: providersView},
  {path: 'message', parent: 'queue', words: 'Message', make: messageView},
  {path: 'why', words: 'Why', make: whyView},
];

const app = document.getElementById('app');
let session = null;
let current = null; // {place, refresh, wants, hear, leave; asking, again, shown}
let timer = 0;
let due = 0; // when it fires
let lastRefresh = -AT_MOST; // by performance.now(), as `due`: a clock that is set moves nothing

// "#/message/1m81..." is the view and its words, each decoded.
function parts() {
  const [path, ...rest] = location.hash
    .replace(/^#\/?/, '')
    .split('/')
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
  return {view: VIEWS.find((one) => one.path === path) || VIEWS[0], words: rest};
}
export const link = (path, ...words) => `#/${[path, ...words].map(encodeURIComponent).join('/')}`;

async function begin() {
  try {
    session = await get('v1/session');
  } catch (failure) {
    if (failure.status === 401) session = {rights: 'none'};
    else {
      app.replaceChildren(h('main', {id: 'main', class: 'login-page', tabindex: '-1'}, trouble(failure, begin)));
      setTimeout(() => {
        if (!session && document.querySelector('.trouble-panel')) begin();
      }, 5000);
      return;
    }
  }
  if (session.rights === 'none' || session.rights === undefined) {
    live.stop();
    showLogin(app, enter);
    return;
  }
  frame();
  live.start();
  go();
}

onSignedOut(() => {
  if (!session || session.rights === 'none') return;
  leave();
  session = null;
  live.stop();
  showLogin(app, enter, 'The session has ended. Log in again.');
});

// After a login: the view gets the focus, so that a keyboard and a screen reader go on there.
async function enter() {
  await begin();
  document.getElementById('main')?.focus({preventScroll: true});
}

function leave() {
  askNoMore();
  clearTimeout(timer);
  timer = 0;
  if (current && current.leave) current.leave();
  current = null;
}

function frame() {
  const whyField = h('input', {
    id: 'why-field',
    type: 'search',
    name: 'what',
    placeholder: 'Why? Id, address or domain',
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-label': 'Ask why: a queue id, a recipient, a domain or a provider',
  });
  const header = h(
    'header',
    {class: 'bar'},
    h(
      'a',
      {class: 'brand', href: link('overview')},
      h('span', {class: 'brand-mark'}, icon('horn')),
      h('span', {class: 'brand-name'}, 'Posthorn'),
    ),
    h('nav', {'aria-label': 'Views'}, h('ul', {class: 'tabs', id: 'tabs'})),
    h(
      'form',
      {
        class: 'ask',
        role: 'search',
        onsubmit: (event) => {
          event.preventDefault();
          const what = whyField.value.trim();
          if (!what) return whyField.focus();
          location.hash = link('why', what);
          whyField.value = '';
        },
      },
      icon('search'),
      whyField,
    ),
    h(
      'div',
      {class: 'state'},
      h('span', {id: 'live', class: 'live'}),
      h('span', {class: 'host', title: `Posthorn ${session.version || ''}`}, session.hostname || ''),
      session.login === false
        ? null
        : h('button', {type: 'button', class: 'bare', 'aria-label': 'Log out', title: 'Log out', onclick: logOut}, icon('leave')),
    ),
  );
  const reason = mayNot();
  app.replaceChildren(header, reason ? h('p', {class: 'banner'}, icon('lock'), reason) : '', h('main', {id: 'main', tabindex: '-1'}));
  live.onState(showLive);
}

function showLive(state) {
  const place = document.getElementById('live');
  if (!place) return;
  if (state === 'lost') soon(AFTER_EVENT); // because the session has ended, maybe
  const words = {live: 'Live', connecting: 'Connecting', lost: 'Reconnecting'}[state];
  place.className = `live ${state}`;
  place.title =
    state === 'live'
      ? 'What happens is shown as it happens'
      : `The stream of events is not there now; the page is brought up to date every ${BY_CLOCK / 1000} seconds`;
  show(place, h('span', {class: 'live-dot', 'aria-hidden': 'true'}), h('span', {class: 'live-words'}, words));
}

async function logOut() {
  try {
    await post('v1/session/end');
  } catch (failure) {
    if (failure.status !== 401) return note(failure.message, 'bad');
  }
  leave();
  session = {rights: 'none'};
  live.stop();
  showLogin(app, enter);
}

// Why nothing may be changed, or nothing.
function mayNot() {
  if (session && session.rights === 'all') return '';
  if (session && session.read_only) return 'Read-only: admin.read_only is set on this server. You see everything and change nothing.';
  return 'Read-only: you logged in with the read-only token. You see everything and change nothing.';
}

function go() {
  if (!session || session.rights === 'none') return;
  const {view, words} = parts();
  leave();
  const shown = view.parent || view.path;
  show(
    document.getElementById('tabs'),
    VIEWS.filter((one) => one.icon).map((one) =>
      h(
        'li',
        {},
        h(
          'a',
          {href: link(one.path), class: 'tab', 'aria-current': one.path === shown ? 'page' : null},
          icon(one.icon),
          h('span', {}, one.words),
        ),
      ),
    ),
  );
  const place = document.getElementById('main');
  const inside = h('div', {class: `view view-${view.path}`});
  place.replaceChildren(inside);
  document.title = `${view.words} · Posthorn`;
  const mine = {place: inside};
  current = mine;
  const made = view.make({
    place: inside,
    words,
    mayNot: mayNot(),
    link,
    session,
    title: (words_) => {
      if (mine === current) document.title = `${words_} · Posthorn`;
    },
    refresh: () => refresh(true),
    go: (hash) => {
      location.hash = hash;
    },
  });
  Object.assign(mine, made);
  refresh(true);
}

// Brings the view up to date within so many milliseconds, if it is not going to be sooner.
function soon(delay) {
  const at = performance.now() + delay;
  if (timer && due <= at) return;
  clearTimeout(timer);
  due = at;
  timer = setTimeout(() => refresh(false), delay);
}

// now: because of what somebody did, and he wants to see what became of it.
async function refresh(now) {
  clearTimeout(timer);
  timer = 0;
  const mine = current;
  if (!mine || !mine.refresh) return;
  if (mine.asking) {
    mine.again = now ? 'now' : mine.again || 'soon'; // what is under way may have been answered before
    return;
  }
  const pause = () => Math.max(0, lastRefresh + AT_MOST - performance.now());
  if (!now && pause() > 0) return soon(pause());
  let pauseAfter = document.hidden ? BY_CLOCK * 6 : BY_CLOCK;
  mine.asking = true;
  lastRefresh = performance.now();
  try {
    await mine.refresh();
    mine.shown = true;
  } catch (failure) {
    // Who was seen a moment ago is missed for a while before it is said: what is shown is better than nothing.
    if (failure.status === 0) pauseAfter = UNREACHABLE;
    if (mine === current && (!mine.shown || failure.status !== 0))
      show(
        mine.place,
        trouble(failure, () => refresh(true)),
      );
  }
  const {again} = mine;
  mine.asking = false;
  mine.again = '';
  if (mine !== current) return; // another view is shown meanwhile, and asks for itself
  if (again === 'now') refresh(true);
  else soon(again ? pause() : pauseAfter);
}

live.onEvent((event) => {
  if (!current || document.hidden) return;
  if (current.hear) current.hear(event);
  if (current.wants && !current.wants(event)) return;
  soon(AFTER_EVENT);
});

addEventListener('hashchange', () => {
  if (location.hash === '#main') return;
  go();
  document.getElementById('main')?.focus({preventScroll: true});
  scrollTo(0, 0);
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) refresh(false);
});
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  document.getElementById('main')?.focus();
});

begin();
