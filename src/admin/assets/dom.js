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
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (one) => '\\u' + one.charCodeAt(0).toString(16).padStart(4, '0'),
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
  morphChildren(place, frame);
}

function morphChildren(old, fresh) {
  const keyed = new Map();
  for (const child of old.childNodes) if (child.nodeKey) keyed.set(child.nodeKey, child);
  let place = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    let match = null;
    if (next.nodeKey) match = keyed.get(next.nodeKey) || null;
    else if (place && !place.nodeKey && alike(place, next)) match = place;
    if (match && alike(match, next)) {
      if (match !== place) old.insertBefore(match, place);
      else place = place.nextSibling;
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

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.nodeKey === b.nodeKey;
}

function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const {name} of [...old.attributes])
    if (!fresh.hasAttribute(name) && !(name === 'open') && !(name === 'style')) old.removeAttribute(name);
  for (const {name, value} of [...fresh.attributes]) if (name !== 'open' && old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const type of Object.keys(fresh.handlers || {})) if (!old.handlers || !(type in old.handlers)) old.addEventListener(type, dispatch);
  old.handlers = fresh.handlers;
  if (fresh.afterShow) old.afterShow = fresh.afterShow;
  morphChildren(old, fresh);
}

// An element that another module keeps up: shown once, then left alone.
export function island(key, element) {
  const place = h('div', {key, class: 'island'});
  place.append(element);
  return place;
}
