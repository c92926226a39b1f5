// The daemon's HTTP, as the page sees it: JSON in, JSON out, and errors in words (docs/API.md).

import {serverSays} from './words.js';

// The page may stand below a proxy's path.
const base = new URL('.', document.baseURI);

export class Failure extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

let signedOut = () => {};
export function onSignedOut(action) {
  signedOut = action;
}

export function place(path, query) {
  const url = new URL(path.replace(/^\//, ''), base);
  for (const [name, value] of Object.entries(query || {})) if (value !== undefined && value !== '') url.searchParams.set(name, value);
  return url;
}

async function ask(method, path, {query, body, patience = 65000} = {}) {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), patience);
  let answer;
  let text;
  try {
    answer = await fetch(place(path, query), {
      method,
      cache: 'no-store',
      credentials: 'same-origin',
      redirect: 'error',
      signal: end.signal,
      headers: {Accept: 'application/json', 'X-Posthorn-Request': '1', ...(body ? {'Content-Type': 'application/json'} : {})},
      body: body ? JSON.stringify(body) : undefined,
    });
    serverSays(answer.headers.get('Date'));
    text = await answer.text();
  } catch {
    throw new Failure(
      0,
      end.signal.aborted
        ? 'Posthorn did not answer in time.'
        : 'Posthorn cannot be reached. It may be restarting; the page goes on trying.',
    );
  } finally {
    clearTimeout(timer);
  }
  let told = null;
  try {
    told = text ? JSON.parse(text) : null;
  } catch {
    told = null;
  }
  if (answer.ok) return told === null ? text.trim() : told;
  const words =
    told && typeof told.error === 'string'
      ? told.error
      : text.trim().startsWith('<') || text.trim() === ''
        ? `it answered ${answer.status}`
        : text.trim();
  if (answer.status === 401 && !path.includes('session')) signedOut();
  throw new Failure(answer.status, words);
}

export const get = (path, query, options) => ask('GET', path, {query, ...options});
export const post = (path, query, body) => ask('POST', path, {query, body});
export const remove = (path) => ask('DELETE', path);
