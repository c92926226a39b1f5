// Elements out of values. Nothing here reads HTML: text is text, whatever a stranger's server said.

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS = new Set(['svg', 'path', 'g', 'rect', 'line', 'circle', 'text', 'polyline', 'use']);

// h('button', {class: 'plain', onclick: go, key: id}, 'Retry'). Attributes that are false, null or undefined are left out; `on...` are handlers.
export function h(tag, attributes, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name === 'key') element.nodeKey = String(value);
    else if (name.startsWith('on')) listen(element, name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : visible(String(child)));
  }
}

// Handlers stand in the element, so that morph() can replace them.
function listen(element, type, handler) {
  element.handlers = element.handlers || {};
  element.handlers[type] = handler;
  element.addEventListener(type, dispatch);
}
function dispatch(event) {
  const handler = this.handlers && this.handlers[event.type];
  if (handler) handler.call(this, event);
}

// Control characters, and those that turn the direction of what follows, are shown as what they are: a reply must not look like another.
export function visible(text) {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/gu,
    (one) => '\\u' + one.codePointAt(0).toString(16).padStart(4, '0'),
  );
}

// Only what is surely a page elsewhere becomes a link.
export function outside(address, words) {
  let url = null;
  try {
    url = new URL(address);
  } catch {
    url = null;
  }
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) return address || '';
  return h('a', {href: url.href, target: '_blank', rel: 'noopener noreferrer', class: 'outside'}, words || url.hostname + url.pathname);
}

// Makes the children of `place` those of `fresh`, touching only what differs: focus, open details, what was typed and the scroll position stay.
export function show(place, ...fresh) {
  const frame = document.createElement(place.tagName);
  add(frame, fresh);
  const held = document.activeElement;
  const heirs = place.contains(held) ? heirsOf(held, place) : [];
  morphChildren(place, frame);
  if (heirs.length && !held.isConnected) heirs.some(takesFocus);
}

// Who gets the focus if what holds it goes: the next link, else the last before it, else the page. No button: a key that was meant for one deed
// must not do another.
function heirsOf(held, place) {
  const links = [...place.querySelectorAll('a[href], summary')].filter((one) => one !== held);
  const next = links.findIndex((one) => held.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING);
  const before = next < 0 ? links : links.slice(0, next);
  return [...links.slice(before.length), ...before.reverse(), document.getElementById('main')];
}
function takesFocus(element) {
  if (element && element.isConnected) element.focus({preventScroll: true});
  return document.activeElement === element;
}

// What goes is taken out first, so that nothing moves on its account: what is moved loses the focus, and the key or click under way.
function morphChildren(old, fresh) {
  const wanted = [...fresh.childNodes];
  const keyed = new Map(); // all of a key, in their order
  for (const child of old.childNodes) if (child.nodeKey) keyed.set(child.nodeKey, [...(keyed.get(child.nodeKey) || []), child]);
  const matches = new Map();
  for (const next of wanted) {
    const match = next.nodeKey && keyed.get(next.nodeKey)?.shift();
    if (match && alike(match, next)) matches.set(next, match);
  }
  const staying = new Set(matches.values());
  for (const child of [...old.childNodes]) if (child.nodeKey && !staying.has(child)) child.remove();
  let place = old.firstChild;
  for (const next of wanted) {
    const match = matches.get(next) || (place && alike(place, next) && !next.nodeKey ? place : null);
    if (match) {
      if (match !== place) bring(match, place);
      place = match.nextSibling;
      morph(match, next);
    } else {
      old.insertBefore(next, place);
    }
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

// Puts `element` before `place`. What holds the focus stays where it is, and those in between go behind it.
function bring(element, place) {
  if (!element.contains(document.activeElement)) return place.before(element);
  const between = [];
  for (let one = place; one !== element; one = one.nextSibling) between.push(one);
  element.after(...between);
}

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.nodeKey === b.nodeKey;
}

function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  // Whether it is open is the reader's, and whether it is at work its own.
  const own = (name) => name === 'open' || (name === 'aria-busy' && old.busy);
  for (const {name} of [...old.attributes]) if (!fresh.hasAttribute(name) && !own(name)) old.removeAttribute(name);
  for (const {name, value} of [...fresh.attributes]) if (!own(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const type of Object.keys(fresh.handlers || {})) if (!old.handlers || !(type in old.handlers)) old.addEventListener(type, dispatch);
  old.handlers = fresh.handlers;
  morphChildren(old, fresh);
}
