// Deliverability: each of our domains as receivers see it, what to repair, and the records to publish, ready to be copied.
import {get} from './api.js';
import {copyButton, empty, loading, trouble} from './dialog.js';
import {h, show} from './dom.js';
import {icon} from './icons.js';
import {count, providerName, span, VERDICTS, when} from './words.js';

const RECORDS = {
  present: ['good', 'check', 'is there'],
  missing: ['bad', 'cross', 'missing'],
  differs: ['bad', 'alert', 'differs'],
  unknown: ['', 'question', 'not known'],
};
const SEARCH_FROM = 9; // domains

export function domainsView(context) {
  const {place, words, link, title, refresh} = context;
  let domains = null;
  let chosen = words[0] || '';
  let report = null;
  let records = null;
  let reportFailure = null;
  let recordsFailure = null;
  let working = '';
  let wanted = '';
  let left = false;
  show(place, loading());

  // One after the other: they are made one at a time anyway, and the findings matter first.
  async function examine() {
    const domain = chosen;
    report = records = reportFailure = recordsFailure = null;
    working = 'doctor';
    draw();
    try {
      report = await patiently('v1/doctor', domain);
    } catch (failure) {
      reportFailure = failure;
    }
    if (left || domain !== chosen) return;
    working = 'records';
    draw();
    try {
      records = await patiently('v1/records', domain);
    } catch (failure) {
      recordsFailure = failure;
    }
    if (left || domain !== chosen) return;
    working = '';
    draw();
    refresh(); // of when it was looked at
  }

  // Others may be examined just now: then again, a few times.
  async function patiently(path, domain) {
    for (let turn = 0; ; ++turn) {
      try {
        return await get(path, {domain});
      } catch (failure) {
        if (failure.status !== 503 || turn === 5 || left) throw failure;
        await new Promise((resolve) => setTimeout(resolve, 3000));
      }
    }
  }

  function draw() {
    if (left || !domains) return;
    const examined = report && domains.find((one) => one.name === chosen)?.examined_at;
    show(
      place,
      h(
        'div',
        {class: 'view-head', key: 'head'},
        h(
          'div',
          {},
          h('h1', {}, 'Deliverability'),
          h('p', {class: 'quiet'}, 'What receivers judge your mail by, and what to publish'),
          // A finding is told again for a minute: who looks again sooner sees why nothing has changed.
          examined ? h('p', {class: 'quiet'}, 'Looked at ', when(examined)) : null,
        ),
        domains.length
          ? h(
              'div',
              {class: 'buttons'},
              h(
                'button',
                {type: 'button', class: 'button', 'aria-busy': working ? 'true' : null, onclick: () => working || examine()},
                icon('again'),
                h('span', {}, working ? 'Looking…' : 'Look again'),
              ),
            )
          : null,
      ),
      domains.length
        ? h('div', {class: 'sides', key: 'sides'}, chooser(), h('div', {class: 'side-main', key: 'main'}, findings(), recordsPanel()))
        : h(
            'div',
            {class: 'panel'},
            empty('shield', 'No domain is configured', 'posthorn domain add example.com makes its key and says what to publish.'),
          ),
    );
  }

  function chooser() {
    if (domains.length === 1) return h('h2', {class: 'one-domain', key: 'chooser'}, domains[0].name);
    const shown = domains.filter((one) => one.name.includes(wanted) || one.name === chosen);
    return h(
      'nav',
      {class: 'panel flush chooser', 'aria-label': 'Domains', key: 'chooser'},
      domains.length >= SEARCH_FROM
        ? h(
            'div',
            {class: 'chooser-search'},
            icon('search'),
            h('input', {
              type: 'search',
              placeholder: `Search ${domains.length} domains`,
              'aria-label': 'Search domains',
              autocomplete: 'off',
              spellcheck: 'false',
              oninput: (event) => {
                wanted = event.target.value.trim().toLowerCase();
                draw();
              },
            }),
          )
        : null,
      h(
        'ul',
        {},
        shown.map((one) => {
          const [tone, words_] = stateOf(one);
          return h(
            'li',
            {key: one.name},
            h(
              'a',
              {href: link('domains', one.name), 'aria-current': one.name === chosen ? 'true' : null},
              h('span', {class: `state-dot ${tone}`, 'aria-hidden': 'true'}),
              h('span', {class: 'chooser-name'}, one.name),
              h('span', {class: 'chooser-state'}, words_),
            ),
          );
        }),
        shown.length ? null : h('li', {class: 'quiet chooser-none'}, 'No domain has that in its name'),
      ),
    );
  }

  function stateOf(one) {
    if (one.name === chosen && working === 'doctor') return ['', 'looking…'];
    const counts = one.name === chosen && report ? report.counts : one.counts;
    if (!counts) return ['', 'not looked at'];
    return counts.FAIL
      ? ['bad', `${counts.FAIL} to repair`]
      : counts.WARN
        ? ['warn', count(counts.WARN, 'warning')]
        : counts.UNKNOWN
          ? ['', 'not all known']
          : ['good', 'in order'];
  }

  function findings() {
    if (reportFailure) return trouble(reportFailure, examine);
    if (!report)
      return h(
        'div',
        {class: 'panel', key: 'report'},
        loading(`Looking at ${chosen} as receivers do: DNS, reverse DNS, keys, certificate. This takes up to half a minute.`),
        h('div', {class: 'bones', 'aria-hidden': 'true'}, h('span', {}), h('span', {}), h('span', {})),
      );
    const {counts} = report;
    const [tone, name] = counts.FAIL
      ? ['bad', 'cross']
      : counts.WARN
        ? ['warn', 'alert']
        : counts.UNKNOWN
          ? ['', 'question']
          : ['good', 'check'];
    const of = (verdict) => report.findings.filter((one) => one.verdict === verdict);
    const done = [...of('PASS'), ...of('SKIP')];
    const standings = Object.entries(report.providers || {});
    return h(
      'section',
      {key: 'report', 'aria-label': `Findings for ${chosen}`},
      h(
        'div',
        {class: `headline small ${tone}`},
        h('span', {class: 'headline-mark'}, icon(name)),
        h('div', {}, h('h2', {}, chosen), h('p', {}, capital(report.verdict), '.')),
        h(
          'ul',
          {class: 'counts'},
          ['FAIL', 'WARN', 'UNKNOWN', 'PASS']
            .filter((verdict) => counts[verdict])
            .map((verdict) =>
              h(
                'li',
                {class: VERDICTS[verdict].tone},
                icon(VERDICTS[verdict].icon),
                `${counts[verdict]} ${{FAIL: 'failing', WARN: counts.WARN === 1 ? 'warning' : 'warnings', UNKNOWN: 'not known', PASS: 'in order'}[verdict]}`,
              ),
            ),
        ),
      ),
      standings.length
        ? h(
            'ul',
            {class: 'standings'},
            standings.map(([provider, said]) =>
              h('li', {class: 'panel'}, h('strong', {}, providerName(provider)), h('span', {class: 'quiet'}, capital(said))),
            ),
          )
        : null,
      ['FAIL', 'WARN', 'UNKNOWN'].map((verdict) => of(verdict).map((one) => finding(one, verdict !== 'UNKNOWN'))),
      done.length
        ? h(
            'details',
            {class: 'panel flush done', key: 'done'},
            h(
              'summary',
              {},
              icon('check'),
              h(
                'span',
                {},
                `${count(counts.PASS || 0, 'check')} in order`,
                counts.SKIP ? h('span', {class: 'quiet'}, `, ${counts.SKIP} not looked at`) : null,
              ),
            ),
            h(
              'ul',
              {class: 'checks'},
              done.map((one) =>
                h(
                  'li',
                  {key: `${one.check} ${one.subject}`, class: VERDICTS[one.verdict].tone},
                  icon(VERDICTS[one.verdict].icon),
                  h('div', {}, h('p', {}, one.title), h('p', {class: 'quiet'}, one.detail)),
                ),
              ),
            ),
          )
        : null,
    );
  }

  function finding(one, open) {
    const verdict = VERDICTS[one.verdict] || VERDICTS.UNKNOWN;
    const meaning = Object.entries(one.meaning || {});
    return h(
      'details',
      {class: `panel flush finding ${verdict.tone}`, key: `${one.check} ${one.subject}`, open},
      h(
        'summary',
        {},
        icon(verdict.icon),
        h('span', {class: 'finding-title'}, one.title),
        h('span', {class: `chip ${verdict.tone}`}, verdict.words),
      ),
      h(
        'div',
        {class: 'finding-body'},
        one.detail ? h('p', {class: 'lines'}, one.detail) : null,
        one.seen?.differs
          ? h(
              'p',
              {class: 'quiet'},
              `The zone’s own servers: ${one.seen.at_authority || 'no answer'}. Your resolver still has: ${one.seen.at_resolver || 'nothing'}${one.seen.ttl ? `, for up to ${span(one.seen.ttl)}` : ''}.`,
            )
          : null,
        one.repair ? h('p', {class: 'lines'}, h('strong', {}, 'To do: '), one.repair) : null,
        one.records.map((text) => copyBlock(text, 'the record for the zone file')),
        one.commands.map((text) => copyBlock(text, 'the command')),
        meaning.length
          ? h(
              'details',
              {class: 'meaning'},
              h('summary', {}, 'What it means to providers'),
              h(
                'dl',
                {},
                meaning.map(([provider, said]) => h('div', {}, h('dt', {}, providerName(provider)), h('dd', {}, said))),
              ),
            )
          : null,
      ),
    );
  }

  function recordsPanel() {
    if (recordsFailure) return h('section', {key: 'records'}, h('h2', {}, 'DNS records'), trouble(recordsFailure, examine));
    if (!records)
      return working === 'records'
        ? h('section', {key: 'records'}, h('h2', {}, 'DNS records'), h('div', {class: 'panel'}, loading('Asking the zone’s own servers…')))
        : null;
    const open = records.records.filter((one) => (one.state === 'missing' || one.state === 'differs') && one.need !== 'hint');
    const unknown = records.records.filter((one) => one.state === 'unknown' && one.need !== 'hint');
    const zone = open
      .filter((one) => one.record.zone === records.zone)
      .map((one) => one.record.zone_file)
      .join('\n');
    return h(
      'section',
      {key: 'records', 'aria-labelledby': 'records-title'},
      h(
        'div',
        {class: 'section-head'},
        h('h2', {id: 'records-title'}, 'DNS records'),
        zone
          ? h(
              'div',
              {class: 'section-action'},
              h('span', {class: 'quiet'}, `${count(open.length, 'record')} to publish; all of the zone ${records.zone} at once:`),
              copyButton(zone, 'all missing records for the zone file'),
            )
          : h(
              'p',
              {class: 'quiet'},
              open.length
                ? `${count(open.length, 'record')} to publish${records.zone ? `, in another zone than ${records.zone}` : ''}`
                : unknown.length
                  ? `${count(unknown.length, 'record')} could not be looked up`
                  : 'All that is needed is published',
            ),
      ),
      (records.remarks || []).map((remark) => h('p', {class: 'panel item warn'}, icon('alert'), h('span', {}, remark))),
      h('ul', {class: 'records'}, records.records.map(recordItem)),
    );
  }

  function recordItem(one) {
    const hint = one.need === 'hint';
    const optional = one.state === 'missing' && one.need !== 'required';
    const [tone, name, said] = optional ? ['', 'dash', hint ? 'a hint' : 'advised'] : RECORDS[one.state] || RECORDS.unknown;
    const {record} = one;
    const id = `${one.kind} ${record.name} ${record.type} ${record.value.slice(0, 40)}`;
    return h(
      'li',
      {key: id},
      h(
        'details',
        {class: `panel flush record ${hint ? '' : tone}`, open: !hint && (one.state === 'missing' || one.state === 'differs')},
        h(
          'summary',
          {},
          h('span', {class: 'type'}, record.type),
          h('span', {class: 'record-name'}, record.name),
          h('span', {class: `chip ${hint ? '' : tone}`}, icon(name), said),
        ),
        h(
          'div',
          {class: 'finding-body'},
          h('p', {class: 'quiet'}, capital(record.purpose), '. ', one.words),
          one.found && one.state !== 'present' ? copyBlock(one.found, 'what is there now', 'There now') : null,
          h(
            'dl',
            {class: 'fields'},
            field('Zone', record.zone),
            field('Host', record.host),
            field('Type', record.type, true),
            field('Value', record.value),
          ),
        ),
      ),
    );
  }

  const field = (name, value, plain) =>
    value
      ? h('div', {}, h('dt', {}, name), h('dd', {}, h('code', {}, value), plain ? null : copyButton(value, `the ${name.toLowerCase()}`)))
      : null;

  title('Deliverability');
  return {
    async refresh() {
      const told = await get('v1/domains');
      const first = domains === null;
      domains = told.domains;
      if (!chosen && domains.length) chosen = (domains.find((one) => one.counts?.FAIL) || domains[0]).name;
      if (first && chosen) {
        title(`Deliverability of ${chosen}`);
        examine(); // goes on by itself; what fails is shown in its place
      }
      draw();
    },
    wants: () => false,
    leave() {
      left = true;
    },
  };
}

function copyBlock(text, what, name) {
  return h(
    'div',
    {class: 'copy-block'},
    name ? h('p', {class: 'copy-name'}, name) : null,
    h('pre', {tabindex: '0', 'aria-label': what}, text),
    copyButton(text, what),
  );
}

const capital = (words) => (words ? words[0].toUpperCase() + words.slice(1) : '');
