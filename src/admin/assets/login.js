// The way in: a token, exchanged for a session that the browser keeps and no script can read.
import {post} from './api.js';
import {h, show} from './dom.js';
import {icon} from './icons.js';

// arrived: called once somebody is let in. words: why he is asked again.
export function showLogin(place, arrived, words) {
  document.title = 'Log in · Posthorn';
  const field = h('input', {
    id: 'token',
    name: 'token',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
    spellcheck: 'false',
    'aria-describedby': 'token-help token-trouble',
  });
  const trouble = h('p', {id: 'token-trouble', class: 'trouble', role: 'alert'}, words || '');
  const button = h('button', {type: 'submit', class: 'button first wide'}, 'Log in');
  const form = h(
    'form',
    {class: 'panel login', onsubmit: submit},
    h('div', {class: 'login-brand'}, h('span', {class: 'brand-mark'}, icon('horn')), h('h1', {}, 'Posthorn')),
    h('label', {for: 'token'}, 'Access token'),
    field,
    trouble,
    button,
    h(
      'p',
      {id: 'token-help', class: 'quiet'},
      'The token stands at ',
      h('code', {}, 'admin.token'),
      ' in the configuration of this server, or in the file at ',
      h('code', {}, 'admin.token_file'),
      '. That of ',
      h('code', {}, 'admin.read_only_token'),
      ' lets you look and change nothing.',
    ),
  );
  place.replaceChildren(h('main', {id: 'main', class: 'login-page', tabindex: '-1'}, form));
  field.focus();

  async function submit(event) {
    event.preventDefault();
    if (button.getAttribute('aria-busy') === 'true') return;
    button.setAttribute('aria-busy', 'true');
    show(trouble, '');
    try {
      await post('v1/session', undefined, {token: field.value});
      field.value = '';
      arrived();
    } catch (failure) {
      show(trouble, failure.message);
      field.setAttribute('aria-invalid', 'true');
      field.select();
      field.focus();
    } finally {
      button.removeAttribute('aria-busy');
    }
  }
}
