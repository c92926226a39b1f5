// Questions before something that cannot be undone, notes after something was done, and buttons that know whether they may.
import {h} from './dom.js';
import {icon} from './icons.js';

// A note at the edge that goes by itself; a failure stays until it is closed.
export function note(words, tone = 'good') {
  const notes = document.getElementById('notes');
  const close = () => item.remove();
  const item = h(
    'div',
    {class: `note ${tone}`},
    icon(tone === 'good' ? 'check' : 'alert'),
    h('span', {}, words),
    h('button', {type: 'button', class: 'bare', 'aria-label': 'Close this note', onclick: close}, icon('cross')),
  );
  while (notes.children.length > 3) notes.firstChild.remove();
  notes.append(item);
  if (tone === 'good') setTimeout(close, 6000);
}

// Asks; gives true, or what `fields` hold, or null when the answer is no. fields: elements with names.
export function ask({title, words, fields, yes, danger}) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const trouble = h('p', {class: 'trouble', role: 'alert', hidden: true});
    const dialog = h(
      'dialog',
      {class: 'dialog', 'aria-labelledby': 'dialog-title'},
      h(
        'form',
        {method: 'dialog', onsubmit: submit},
        h('h2', {id: 'dialog-title'}, title),
        words ? h('p', {}, words) : null,
        fields || null,
        trouble,
        h(
          'div',
          {class: 'buttons end'},
          h('button', {type: 'button', class: 'button', onclick: () => dialog.close()}, 'Cancel'),
          h('button', {type: 'submit', class: danger ? 'button danger' : 'button first', value: 'yes'}, yes),
        ),
      ),
    );
    let given = null;
    function submit(event) {
      event.preventDefault();
      given = true;
      if (fields) given = Object.fromEntries(new FormData(event.target).entries());
      dialog.close();
    }
    dialog.addEventListener('close', () => {
      dialog.remove();
      if (before && before.isConnected) before.focus();
      else if (document.activeElement === document.body) document.getElementById('main')?.focus();
      resolve(given);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// The answer is no: what was asked about is no longer shown.
export function askNoMore() {
  for (const one of document.querySelectorAll('dialog')) one.close();
}

// A button that does something once, says that it is under way, and notes how it ended. reason: why it may not be pressed.
export function deed({words, name, key, reason, danger, first, quiet, before, run, after}) {
  const kind = ['button', danger ? 'danger-text' : '', first ? 'first' : '', quiet ? 'quiet-button' : ''].join(' ').trim();
  return h(
    'button',
    {type: 'button', class: kind, key: key || words, 'aria-disabled': reason ? 'true' : null, title: reason || null, onclick: act},
    name ? icon(name) : null,
    h('span', {}, words),
  );
  async function act(event) {
    const button = event.currentTarget;
    if (reason) {
      note(reason, 'warn');
      return;
    }
    if (button.busy) return;
    const agreed = before ? await before() : true;
    if (!agreed) return;
    button.busy = true; // the view may be brought up to date meanwhile
    button.setAttribute('aria-busy', 'true');
    try {
      note(await run(agreed));
    } catch (failure) {
      note(failure.message, 'bad');
    } finally {
      button.busy = false;
      button.removeAttribute('aria-busy');
      if (after) after();
    }
  }
}

export function copyButton(text, what) {
  const label = h('span', {}, 'Copy');
  return h('button', {type: 'button', class: 'button small', 'aria-label': `Copy ${what}`, onclick: copy}, icon('copy'), label);
  async function copy(event) {
    const button = event.currentTarget;
    const words = button.querySelector('span');
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      done = copyByHand(text);
    }
    words.textContent = done ? 'Copied' : 'Select it';
    button.classList.toggle('done', done);
    // For who only hears: the button's label stands for its words.
    const said = h('span', {class: 'out-of-sight'}, done ? `Copied ${what}` : `Could not copy ${what}`);
    document.getElementById('notes').append(said);
    setTimeout(() => {
      said.remove();
      words.textContent = 'Copy';
      button.classList.remove('done');
    }, 2000);
  }
}

// Over plain HTTP, but for this machine, browsers have no clipboard for pages.
function copyByHand(text) {
  const area = h('textarea', {class: 'out-of-sight', readonly: true, 'aria-hidden': 'true', tabindex: '-1'});
  area.value = text;
  document.body.append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand('copy');
  } catch {
    done = false;
  }
  area.remove();
  return done;
}

// What stands where something is not there yet, cannot be had, or is not.
export const loading = (words = 'Loading…') =>
  h('p', {class: 'loading', role: 'status'}, h('span', {class: 'spinner', 'aria-hidden': 'true'}), words);
export const empty = (name, title, words, ...more) =>
  h('div', {class: 'empty'}, icon(name, 'large'), h('p', {class: 'empty-title'}, title), words ? h('p', {}, words) : null, more);
export function trouble(failure, again) {
  return h(
    'div',
    {class: 'panel trouble-panel', role: 'alert'},
    icon('alert'),
    h('div', {}, h('p', {class: 'strong'}, 'This could not be shown'), h('p', {}, failure.message)),
    again ? h('button', {type: 'button', class: 'button', onclick: again}, 'Try again') : null,
  );
}
