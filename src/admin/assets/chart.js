// Charts of the history: bars by what became of mail, a line of what waits, a table for who does not see them.
import {h} from './dom.js';
import {clockOf, number, span, stamp} from './words.js';

export const KINDS = [
  {name: 'delivered', words: 'Delivered', column: 2},
  {name: 'deferred', words: 'Put off', column: 3},
  {name: 'failed', words: 'Failed', column: 4},
];

// One step each from `from` to `to`, whether something was written down or not (then `known` is false: Posthorn did not run).
export function steps(history) {
  const length = history.step_seconds;
  const rows = new Map(history.rows.map((row) => [row[0], row]));
  const all = [];
  for (let at = history.from; at <= history.to; at += length) {
    const row = rows.get(at);
    all.push({
      at: at * 1000,
      end: (at + length) * 1000,
      known: Boolean(row),
      delivered: row?.[2] || 0,
      deferred: row?.[3] || 0,
      failed: row?.[4] || 0,
      accepted: row?.[1] || 0,
      waiting: row?.[5] || 0,
      oldest: row?.[6] || 0,
    });
  }
  return all;
}

// The least of 1, 2, 5 times a power of ten that is not less.
function ceiling(value) {
  if (value <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const factor of [1, 2, 4, 5, 10]) if (factor * power >= value) return factor * power;
  return value;
}

const short = (value) =>
  value >= 1e6 ? `${+(value / 1e6).toFixed(1)} M` : value >= 10000 ? `${+(value / 1000).toFixed(1)} k` : number(value);

// Draws into `width` pixels. read: the index that somebody looks at, or -1.
export function mailChart(all, width, read, onRead) {
  const height = 190;
  const left = 44;
  const bottom = 24;
  const top = 10;
  const room = Math.max(60, width - left - 4);
  const top_value = ceiling(Math.max(...all.map((step) => step.delivered + step.deferred + step.failed), 1));
  const y = (value) => top + (height - top - bottom) * (1 - value / top_value);
  const slot = room / all.length;
  const bar = Math.max(1, Math.min(18, slot - Math.max(1, slot * 0.22)));
  const parts = [];
  for (const part of [0, 0.5, 1]) {
    const at = Math.round(y(top_value * part)) + 0.5;
    parts.push(
      h('line', {x1: left, x2: left + room, y1: at, y2: at, class: part ? 'grid' : 'axis'}),
      h('text', {x: left - 8, y: at + 4, class: 'tick', 'text-anchor': 'end'}, short(top_value * part)),
    );
  }
  // A label where a clock shows a round hour, as many as there is room for.
  const hours = [1, 2, 3, 4, 6, 8, 12, 24].find((one) => (room / ((all.at(-1).end - all[0].at) / 3600e3)) * one >= 64) || 24;
  all.forEach((step, index) => {
    const date = new Date(step.at);
    if (date.getMinutes() === 0 && date.getHours() % hours === 0 && index < all.length - 1)
      parts.push(
        h(
          'text',
          {x: left + slot * index + slot / 2, y: height - 6, class: 'tick', 'text-anchor': index === 0 ? 'start' : 'middle'},
          clockOf(step.at),
        ),
      );
  });
  const first = all.findIndex((step) => step.known); // before it Posthorn was not there yet
  all.forEach((step, index) => {
    const x = left + slot * index + (slot - bar) / 2;
    let below = 0;
    for (const kind of KINDS) {
      const value = step[kind.name];
      if (!value) continue;
      const from = y(below);
      const to = Math.min(y(below + value), from - 1);
      parts.push(
        h('rect', {
          x: x.toFixed(1),
          y: to.toFixed(1),
          width: bar.toFixed(1),
          height: (from - to).toFixed(1),
          rx: 1,
          class: `bar ${kind.name}${read >= 0 && read !== index ? ' dim' : ''}`,
        }),
      );
      below += value;
    }
    if (!step.known && first >= 0 && index > first)
      parts.push(
        h('rect', {x: (left + slot * index).toFixed(1), y: top, width: slot.toFixed(1), height: height - top - bottom, class: 'gap'}),
      );
  });
  return reader(all, {height, left, slot, room, read, onRead, label: 'What became of mail, step by step', parts, words: stepWords});
}

export function waitingChart(all, width, read, onRead) {
  const height = 92;
  const left = 44;
  const top = 8;
  const bottom = 6;
  const room = Math.max(60, width - left - 4);
  const slot = room / all.length;
  const top_value = ceiling(Math.max(...all.map((step) => step.waiting), 1));
  const y = (value) => top + (height - top - bottom) * (1 - value / top_value);
  const parts = [0, 1].flatMap((part) => {
    const at = Math.round(y(top_value * part)) + 0.5;
    return [
      h('line', {x1: left, x2: left + room, y1: at, y2: at, class: part ? 'grid' : 'axis'}),
      h('text', {x: left - 8, y: at + 4, class: 'tick', 'text-anchor': 'end'}, short(top_value * part)),
    ];
  });
  let run = [];
  const draw = () => {
    if (run.length === 0) return;
    if (run.length === 1) run.push([run[0][0] + slot * 0.5, run[0][1]]);
    const line = run.map(([x, at]) => `${x.toFixed(1)},${at.toFixed(1)}`);
    parts.push(
      h('path', {class: 'area', d: `M${line[0].split(',')[0]},${y(0)}L${line.join('L')}L${run.at(-1)[0].toFixed(1)},${y(0)}Z`}),
      h('polyline', {class: 'line', points: line.join(' ')}),
    );
    run = [];
  };
  all.forEach((step, index) => {
    if (step.known) run.push([left + slot * (index + 0.5), y(step.waiting)]);
    else draw();
  });
  draw();
  if (read >= 0 && all[read].known)
    parts.push(h('circle', {cx: left + slot * (read + 0.5), cy: y(all[read].waiting), r: 3.5, class: 'dot'}));
  return reader(all, {
    height,
    left,
    slot,
    room,
    read,
    onRead,
    label: 'Recipients that waited, step by step',
    parts,
    words: (step) => `${stamp(step.at)}: ${number(step.waiting)} waiting`,
  });
}

export function stepWords(step) {
  const times = `${stamp(step.at)} to ${clockOf(step.end)}`;
  if (!step.known) return `${times}: nothing was written down`;
  return `${times}: ${number(step.delivered)} delivered, ${number(step.deferred)} put off, ${number(step.failed)} failed, ${number(step.waiting)} waiting`;
}

// The drawing with a cursor: by pointer, and by arrow keys, as a slider whose value is said.
function reader(all, {height, left, slot, room, read, onRead, label, parts, words}) {
  if (read >= 0) parts.unshift(h('rect', {x: (left + slot * read).toFixed(1), y: 0, width: slot.toFixed(1), height, class: 'cursor'}));
  const at = read >= 0 ? read : all.length - 1;
  const indexOf = (event) => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left - left;
    return x < 0 || x > room ? -1 : Math.min(all.length - 1, Math.floor(x / slot));
  };
  const keys = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -6, PageUp: 6};
  return h(
    'div',
    {
      class: 'chart',
      role: 'slider',
      tabindex: '0',
      'aria-label': label,
      'aria-valuemin': '0',
      'aria-valuemax': String(all.length - 1),
      'aria-valuenow': String(at),
      'aria-valuetext': words(all[at]),
      onpointermove: (event) => onRead(indexOf(event)),
      onpointerleave: () => onRead(-1),
      onfocus: (event) => event.currentTarget.matches(':focus-visible') && onRead(at),
      onblur: () => onRead(-1),
      onkeydown: (event) => {
        const next = event.key === 'Home' ? 0 : event.key === 'End' ? all.length - 1 : event.key in keys ? at + keys[event.key] : null;
        if (next === null) return;
        event.preventDefault();
        onRead(Math.max(0, Math.min(all.length - 1, next)));
      },
    },
    h(
      'svg',
      {width: left + room + 4, height, viewBox: `0 0 ${left + room + 4} ${height}`, 'aria-hidden': 'true', focusable: 'false'},
      parts,
    ),
  );
}

export function chartTable(all) {
  const rows = all
    .filter((step) => step.known && (step.accepted || step.delivered || step.deferred || step.failed || step.waiting))
    .reverse();
  return h(
    'details',
    {class: 'figures', key: 'figures'},
    h('summary', {}, 'The figures as a table'),
    h(
      'div',
      {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Figures by time'},
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ['From', 'Taken in', 'Delivered', 'Put off', 'Failed', 'Waiting', 'Oldest'].map((name, index) =>
              h('th', {scope: 'col', class: index ? 'figure' : ''}, name),
            ),
          ),
        ),
        h(
          'tbody',
          {},
          rows.length
            ? rows.map((step) =>
                h(
                  'tr',
                  {},
                  h('th', {scope: 'row'}, stamp(step.at)),
                  [step.accepted, step.delivered, step.deferred, step.failed, step.waiting].map((value) =>
                    h('td', {class: 'figure'}, number(value)),
                  ),
                  h('td', {class: 'figure'}, step.oldest ? span(step.oldest) : '–'),
                ),
              )
            : h('tr', {}, h('td', {colspan: '7', class: 'quiet'}, 'No mail in this time')),
        ),
      ),
    ),
  );
}
