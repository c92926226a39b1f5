// A daemon that is only played: the dashboard's own files with answers of a made-up server behind them, in every state that is hard to bring about
// (a day of mail, 50 domains, 10,000 messages, nothing at all, trouble). `node stage.mjs` serves it for who works on the page; tests and pictures
// use it for states, and the real daemon for deeds.
import {createServer} from 'node:http';
import {readFile, readdir} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';
import path from 'node:path';

const ASSETS = fileURLToPath(new URL('../../src/admin/assets/', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
// The same that the daemon says with each answer (src/admin/http.cpp).
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export const NOW = Date.UTC(2026, 10, 22, 14, 37, 20);
const at = (secondsAgo) => new Date(NOW - secondsAgo * 1000).toISOString().replace(/\.\d+Z/, 'Z');

// The same numbers each time, so that pictures do not change without a reason.
function dice(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const GMAIL =
  '550-5.7.26 Your email has been blocked because the sender is unauthenticated.\n550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\n550-5.7.26\n550-5.7.26  Authentication results:\n550-5.7.26  DKIM = did not pass\n550-5.7.26  SPF [shop.example.com] with ip: [203.0.113.25] = did not pass\n550 5.7.26  https://support.google.com/mail/answer/81126#authentication - gsmtp';

export const PAIR = {
  pair: 'shop.example.com at google',
  words: 'google refuses mail of shop.example.com until its SPF or DKIM is repaired',
  sender: 'shop.example.com',
  source: '',
  provider: 'google',
  reason: 'auth',
  phase: 'held',
  since: at(5040),
  reply: GMAIL,
  host: 'gmail-smtp-in.l.google.com[142.250.102.27]',
  rule: 'google/unauthenticated',
  meaning: '',
  advice: 'Publish the DKIM record below; mail goes on by itself once it is seen.',
  link: 'https://support.google.com/mail/answer/81126',
  causes: ['SPF', 'DKIM'],
  first_message: '1m81en6ddve14',
  unexplained: false,
  next_poll: at(-420),
  next_probe: null,
  until: null,
  probes: 0,
  connections: 0,
  diagnosis: {
    at: NOW - 60000,
    summary: 'DKIM of shop.example.com fails',
    facts: [
      {
        kind: 'dkim',
        result: 'fail',
        subject: 's1._domainkey.shop.example.com',
        detail: 'there is no such record',
        repair: 'publish this TXT record',
        record: 's1._domainkey.shop.example.com. IN TXT ( "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAx2nJv3e0M6uY" )',
      },
      {kind: 'spf', result: 'pass', subject: 'shop.example.com', detail: 'lets 203.0.113.25 send', repair: '', record: ''},
      {
        kind: 'ptr',
        result: 'pass',
        subject: '203.0.113.25',
        detail: 'is mail.example.com, and that leads back to it',
        repair: '',
        record: '',
      },
    ],
  },
};

export function status({
  waiting = 0,
  messages = waiting,
  oldest = 0,
  pairs = [],
  healthy = true,
  slowed = [],
  certificates = [{names: 'mail.example.com', days_left: 61, file: '/etc/letsencrypt/live/mail.example.com/fullchain.pem'}],
  suspended_users = [],
  up = 1090000,
  marks = [],
  warm_up = [],
} = {}) {
  return {
    store: {
      healthy,
      reason: healthy ? '' : 'queue database: disk I/O error (10): the disk below /var/lib/posthorn may be broken',
      messages,
      recipients: waiting,
      inbox_bytes: 0,
      batches: 5211,
      operations: 99121,
      wal_bytes: 412000,
      last_commit_microseconds: 2100,
    },
    daemon: {
      pid: 812,
      version: '0.1.0',
      up_seconds: up,
      certificates,
      guard: {banned: 2, failing: 5},
      suspended_users,
      relay_troubles: [],
      spool: {},
      shaping: {slowed, warm_up, bulk_marks: marks},
      pairs,
      oldest_seconds: oldest,
      server: {},
      delivery: {},
      dns: {},
    },
  };
}

// A day of a shop with a newsletter in the morning.
export function history(hours, step, {quiet = false} = {}) {
  const roll = dice(7);
  const length = step * 60;
  const to = NOW / 1000;
  const last = Math.floor(to / length) * length;
  const rows = [];
  const providers = {
    google: [0.46, 0.985],
    microsoft: [0.19, 0.955],
    yahoo: [0.12, 0.99],
    apple: [0.08, 1],
    'mx.freemail.example': [0.06, 0.94],
    'mx1.provider.example': [0.03, 1],
    '': [0.06, 0.97],
  };
  const sums = Object.fromEntries(Object.keys(providers).map((name) => [name, {delivered: 0, deferred: 0, failed: 0, rows: []}]));
  if (!quiet)
    for (let time = last - hours * 3600 + length; time <= last; time += length) {
      const hour = (time / 3600) % 24;
      const day = 18 + 60 * Math.max(0, Math.sin(((hour - 6) / 24) * 2 * Math.PI)) + (hour >= 8.9 && hour < 10.4 ? 520 : 0);
      let delivered = 0;
      let deferred = 0;
      let failed = 0;
      for (const [name, [share, good]] of Object.entries(providers)) {
        const all = Math.round(day * share * (0.7 + roll() * 0.6) * (step / 30));
        const bad = Math.round(all * (1 - good) * (0.5 + roll()));
        const lost = bad ? Math.round(bad * 0.25 * roll()) : 0;
        const one = {
          delivered: all - bad,
          deferred: bad - lost + (hour >= 8.9 && hour < 10 && name === 'microsoft' ? Math.round(all * 0.35) : 0),
          failed: lost,
        };
        for (const kind of ['delivered', 'deferred', 'failed']) sums[name][kind] += one[kind];
        sums[name].rows.push([time, one.delivered, one.deferred, one.failed]);
        delivered += one.delivered;
        deferred += one.deferred;
        failed += one.failed;
      }
      const waiting = Math.round(6 + 9 * roll() + (hour >= 8.9 && hour < 12 ? 260 * Math.exp(-(hour - 9.3) * 1.4) : 0));
      rows.push([time, delivered + failed, delivered, deferred, failed, Math.max(0, waiting), waiting * 40]);
    }
  return {
    from: last - hours * 3600 + length,
    to,
    step_seconds: length,
    columns: ['time', 'accepted', 'delivered', 'deferred', 'failed', 'waiting', 'oldest_seconds'],
    rows,
    providers: quiet ? {} : sums,
  };
}

const WHO = [
  'maria.schneider',
  'j.oconnor',
  'team',
  'kundenservice',
  'a.very.long.local.part.that.somebody.chose.for.reasons.of.his.own',
  'bob',
  'info',
  'li.wei',
  'hello',
  'orders',
];
const WHERE = [
  ['gmail.com', 'google'],
  ['outlook.com', 'microsoft'],
  ['yahoo.com', 'yahoo'],
  ['freemail.example', ''],
  ['a-company-with-a-long-name-in-many-parts.example', ''],
  ['icloud.com', 'apple'],
];
const WHY = [
  ['', '', 0, ''],
  ['grey', '451 4.7.1 Greylisting in action, please come back later', 1, ''],
  ['auth', GMAIL, 1, PAIR.words],
  ['rcpt-full', '452 4.2.2 The email account that you tried to reach is over quota', 6, ''],
  ['connection', 'no server there could be reached: mx1.freemail.example[198.51.100.7]:25: timed out after 30 s', 4, ''],
  ['throttle', '421 4.7.28 Gmail has detected an unusual rate of email originating from your IP address', 2, ''],
];

export function message(number) {
  const roll = dice(number * 7919 + 3);
  const pick = (list) => list[Math.floor(roll() * list.length)];
  const [domain] = pick(WHERE);
  const [failure, reply, attempts, held] = domain === 'gmail.com' ? WHY[[0, 2, 5][number % 3]] : WHY[[0, 1, 3, 4][Math.floor(roll() * 4)]];
  const age = 40 + number * 23;
  const many = roll() > 0.88 ? 1 + Math.floor(roll() * 40) : 1;
  return {
    id: (1000000000000 + number).toString(36).padStart(13, '0'),
    accepted_at: at(age),
    expires_at: at(age - 432000),
    from: pick(['orders@shop.example.com', 'newsletter@example.com', 'no-reply@example.com']),
    size: 4000 + Math.floor(roll() * 90000),
    stream: '',
    source: 'user=shop',
    origin: '',
    recipient_count: many,
    recipients: [
      {
        id: number,
        address: `${pick(WHO)}@${domain}`,
        state: 'waiting',
        due_at: at(-Math.floor(roll() * 1800)),
        attempts,
        last_attempt: attempts ? at(300) : null,
        class: failure,
        reply,
        host: '',
        ...(held ? {held} : {}),
      },
    ],
  };
}

export const queuePage = (total) => (query) => {
  const limit = Number(query.get('limit') || 50);
  const from = query.get('after') ? parseInt(query.get('after'), 36) - 1000000000000 + 1 : 0;
  const domain = query.get('domain');
  const all = [];
  let next = null;
  for (let number = from; number < total; ++number) {
    const one = message(number);
    if (domain && !one.recipients[0].address.endsWith(`@${domain}`)) continue;
    all.push(one);
    if (all.length === limit) {
      next = one.id;
      break;
    }
  }
  return {messages: all, next};
};

export const WHY_MESSAGE = {
  asked: '1m81en6ddve14',
  kind: 'message',
  now: at(0),
  known: true,
  answer: 'Message 1m81en6ddve14 waits: google refuses mail of shop.example.com until its SPF or DKIM is repaired.',
  journal: {from: at(1200000)},
  message: {
    id: '1m81en6ddve14',
    from: 'orders@shop.example.com',
    accepted_at: at(5100),
    expires_at: at(-426900),
    size: 18211,
    source: 'user=shop',
    stream: '',
    recipient_count: 1,
  },
  recipients: [
    {
      address: 'maria.schneider@gmail.com',
      state: 'waiting',
      answer: 'waits: google refuses mail of shop.example.com until its SPF or DKIM is repaired',
      attempts: 1,
      last_attempt: at(5040),
      given_up: at(-254000),
      last: {
        reply: GMAIL,
        host: 'gmail-smtp-in.l.google.com[142.250.102.27]',
        class: 'auth',
        class_meaning: 'they do not believe that the mail is from its sender: SPF, DKIM, DMARC or reverse DNS is not in order there',
        rule: 'google/unauthenticated',
        meaning: '',
        advice: 'Publish the key’s record; the mail goes out by itself when it is seen. posthorn resume lets it go at once.',
        link: 'https://support.google.com/mail/answer/81126',
      },
      in_the_way: [
        {
          kind: 'suspension',
          words: 'google refuses mail of shop.example.com until its SPF or DKIM is repaired',
          since: at(5040),
          until: null,
          end: 'DNS is looked at again in 7 minutes; when the repair is seen, one message probes it',
          advice: '',
          detail:
            'FAILS    DKIM (s1._domainkey.shop.example.com): there is no such record\n         To do: publish this TXT record\nOK       SPF (shop.example.com) from 203.0.113.25',
          gate: '',
        },
      ],
      next: {at: at(-420), by: 'suspension', words: 'DNS is looked at again then'},
      way: {group: 'google', provider: 'google'},
      history: [
        {
          at: at(5040),
          event: 'deferred',
          attempts: 1,
          class: 'auth',
          reply: GMAIL,
          host: 'gmail-smtp-in.l.google.com',
          group: 'google',
          rule: '',
        },
      ],
    },
  ],
  session: {
    at: at(5040),
    host: 'gmail-smtp-in.l.google.com[142.250.102.27]',
    event: 'deferred',
    text: '0.000 * connected to gmail-smtp-in.l.google.com[142.250.102.27]\n0.041 S: 220 mx.google.com ESMTP - gsmtp\n0.041 C: EHLO mail.example.com\n0.082 S: 250-mx.google.com at your service\n0.083 C: STARTTLS\n0.171 * TLSv1.3 TLS_AES_256_GCM_SHA384\n0.214 C: MAIL FROM:<orders@shop.example.com> SIZE=18211\n0.633 S: 550-5.7.26 Your email has been blocked because the sender is unauthenticated.',
  },
};

const DKIM =
  'v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAx2nJv3e0M6uYw7t9pQhLr8S1dEoKzVbXaC4fHgTiWm5jYpRqNsUvZy0OlPkDcBxG6tIeAwFhJr3nMb7Xq9LuSoYd2KpVgWzTfRaCiEmHj8NsQkBl1DvOxUrP4YtGwZc5IeLfAhJnTb6MqXoKpVs9RdSuWyEzCgHa3Fi0BmNjQlTvPrDxUkYwZs7OtEcIgLfAhJbMn2XqRp5KoVsWdSuTyEzCgHa4Fi1BmNjQlTvPrDxUkYwIDAQAB';
const record = (kind, state, type, name, host, value, purpose, more = {}) => ({
  kind,
  need: 'required',
  state,
  at_resolver: state,
  ttl: 0,
  found: '',
  words: '',
  record: {
    name,
    type,
    value,
    ttl: 3600,
    zone: 'shop.example.com',
    host,
    zone_file: `${name}. 3600 IN ${type} ${type === 'TXT' ? `( "${value}" )` : value}`,
    purpose,
  },
  ...more,
});

export const RECORDS = {
  domain: 'shop.example.com',
  hostname: 'mail.example.com',
  ips: ['203.0.113.25'],
  asked: true,
  zone: 'shop.example.com',
  remarks: [],
  records: [
    record('ptr', 'present', 'PTR', '25.113.0.203.in-addr.arpa', '', 'mail.example.com.', 'reverse DNS of 203.0.113.25', {
      words: 'Who gives you the address sets it.',
    }),
    record(
      'spf',
      'differs',
      'TXT',
      'shop.example.com',
      '@',
      'v=spf1 ip4:203.0.113.25 include:_spf.newsletter.example -all',
      'SPF: who may send for shop.example.com',
      {found: 'v=spf1 include:_spf.newsletter.example -all', words: 'The address that mail leaves from is not in it.'},
    ),
    record('dkim', 'missing', 'TXT', 's1._domainkey.shop.example.com', 's1._domainkey', DKIM, 'DKIM: the key that signs mail', {
      words: 'The key is on disk and signs already.',
    }),
    record(
      'dmarc',
      'present',
      'TXT',
      '_dmarc.shop.example.com',
      '_dmarc',
      'v=DMARC1; p=none; rua=mailto:postmaster@example.com',
      'DMARC: what receivers do with mail that proves nothing',
    ),
    record(
      'tlsrpt',
      'missing',
      'TXT',
      '_smtp._tls.shop.example.com',
      '_smtp._tls',
      'v=TLSRPTv1; rua=mailto:postmaster@example.com',
      'TLS reports',
      {need: 'advised', words: 'Others tell you when TLS with your mail servers fails.'},
    ),
    record(
      'mta_sts',
      'missing',
      'TXT',
      '_mta-sts.shop.example.com',
      '_mta-sts',
      'v=STSv1; id=20261122',
      'MTA-STS, for mail that the domain receives',
      {need: 'hint', words: 'Needs a policy file by HTTPS, too.'},
    ),
  ],
};

const finding = (verdict, check, title, detail, more = {}) => ({
  verdict,
  check,
  subject: more.subject || 'shop.example.com',
  title,
  detail,
  meaning: {},
  repair: '',
  records: [],
  commands: [],
  seen: {differs: false, at_authority: '', at_resolver: '', ttl: 0},
  ...more,
});
export const REPORT = {
  verdict: '2 checks fail, first of all: the DKIM key s1 of shop.example.com; 1 warning',
  counts: {FAIL: 2, WARN: 1, UNKNOWN: 1, SKIP: 2, PASS: 21},
  providers: {
    gmail: 'does not take mail of this domain: neither SPF nor DKIM passes',
    yahoo: 'mail goes to spam, or is refused',
    outlook: 'mail of more than 5000 a day is refused (550 5.7.515)',
  },
  findings: [
    finding(
      'FAIL',
      'dkim',
      'The DKIM key s1 of shop.example.com',
      'There is no TXT record at s1._domainkey.shop.example.com, so no receiver can check the signature that each message carries.',
      {
        repair: 'Publish this record. It is looked for again every 15 minutes, and held mail goes out by itself.',
        records: [RECORDS.records[2].record.zone_file],
        meaning: {gmail: 'refused: 550-5.7.26', yahoo: 'spam, or refused', outlook: 'refused for senders of more than 5000 a day'},
      },
    ),
    finding(
      'FAIL',
      'spf',
      'SPF of shop.example.com from 203.0.113.25',
      'The record does not let 203.0.113.25 send: “-all” is what matches.',
      {
        repair: 'Change the record to this.',
        records: [RECORDS.records[1].record.zone_file],
        seen: {differs: true, at_authority: 'fail', at_resolver: 'softfail', ttl: 1740},
      },
    ),
    finding('WARN', 'dmarc-record', 'The DMARC policy of shop.example.com', 'p=none: receivers report, and do nothing else.', {
      repair: 'Once reports show that all your mail passes, set p=quarantine.',
    }),
    finding('UNKNOWN', 'port25', 'Port 25 of Outlook', 'olc.protection.outlook.com did not answer within 10 s.', {subject: 'outlook'}),
    finding('PASS', 'ptr', 'Reverse DNS of 203.0.113.25', 'mail.example.com, and that leads back to it', {subject: '203.0.113.25'}),
    finding('PASS', 'helo', 'The EHLO name mail.example.com', 'It has our address.'),
    finding('PASS', 'dmarc', 'DMARC of shop.example.com', 'There is a record.'),
    finding('PASS', 'certificate', 'The certificate of mail.example.com', 'In force for 61 more days.'),
    finding('PASS', 'queue', 'The queue', 'No mail waits too long.'),
    finding('SKIP', 'dnsbl', 'Block lists', 'None was asked for.'),
  ],
};
export const REPORT_WELL = {
  ...REPORT,
  verdict: 'all is in order',
  counts: {FAIL: 0, WARN: 0, UNKNOWN: 0, SKIP: 2, PASS: 25},
  providers: {
    gmail: 'meets what it asks of all senders and of bulk senders',
    yahoo: 'meets what it asks of all senders and of bulk senders',
    outlook: 'meets what it asks of all senders and of bulk senders',
  },
  findings: REPORT.findings.filter((one) => one.verdict === 'PASS' || one.verdict === 'SKIP'),
};

export const domains = (number) =>
  Array.from({length: number}, (_, index) => {
    const name =
      index === 0
        ? 'example.com'
        : index === 1
          ? 'shop.example.com'
          : `${['atelier', 'bakery', 'cinema', 'dental', 'elektro', 'floristik', 'garage', 'hotel-am-see'][index % 8]}-${index}.example`;
    const counts =
      index === 1
        ? REPORT.counts
        : index % 7 === 3
          ? {FAIL: 0, WARN: 2, UNKNOWN: 0, SKIP: 2, PASS: 23}
          : index % 11 === 8
            ? null
            : REPORT_WELL.counts;
    return {name, examined_at: counts ? at(index * 60) : null, ...(counts ? {verdict: '', counts} : {})};
  });

export const EVENTS = [
  {event: 'stored', id: '1m81en6ddvh02', from: 'orders@shop.example.com'},
  {event: 'delivered', id: '1m81en6ddvh02', to: 'li.wei@icloud.com', reply: '250 2.0.0 Ok: queued'},
  {event: 'deferred', id: '1m81en6ddvh03', to: 'team@freemail.example', reply: '451 4.7.1 Greylisting in action, please come back later'},
  {event: 'stored', id: '1m81en6ddvh04', from: 'newsletter@example.com'},
  {event: 'delivered', id: '1m81en6ddvh04', to: 'kundenservice@outlook.com', reply: '250 2.6.0 Queued mail for delivery'},
  {event: 'failed', id: '1m81en6ddvh05', to: 'j.oconnor@yahoo.com', reply: '554 5.7.9 Message not accepted for policy reasons'},
  {event: 'delivered', id: '1m81en6ddvh06', to: 'hello@a-company-with-a-long-name-in-many-parts.example', reply: '250 OK'},
].map((event, index) => ({time: at(30 - index * 4), level: 'info', ...event}));

// What a path answers: a value, a function of the query, or {status, body}. Later ones go before.
export function answers(...more) {
  return Object.assign(
    {
      'GET v1/session': {rights: 'all', read_only: false, version: '0.1.0', hostname: 'mail.example.com'},
      'GET v1/status': status({waiting: 14, messages: 12, oldest: 5100, pairs: [PAIR]}),
      'GET v1/history': (query) => history(Number(query.get('hours') || 24), Number(query.get('step') || 1)),
      'GET v1/alarms': {
        alarms: [{alarm: 'suspended', subject: PAIR.pair, since: PAIR.since, told: null, incident: '', text: PAIR.words, advice: ''}],
      },
      'GET v1/queue': queuePage(12),
      'GET v1/why': WHY_MESSAGE,
      'GET v1/domains': {domains: domains(2)},
      'GET v1/doctor': (query) => (query.get('domain') === 'shop.example.com' ? REPORT : REPORT_WELL),
      'GET v1/records': RECORDS,
      'POST v1/suspensions/resume': {pairs: [PAIR.pair]},
      'POST v1/session/end': {},
    },
    ...more,
  );
}

// Serves the page and the answers of `play.answers`, which may be changed meanwhile. play.events: what followers are told.
export async function serve(play, port = 0) {
  const followers = new Set();
  const names = await readdir(ASSETS);
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://stage');
    response.setHeader('Content-Security-Policy', POLICY);
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Date', new Date(play.now || NOW).toUTCString());
    const name = url.pathname === '/' ? 'index.html' : url.pathname.startsWith('/assets/') ? path.basename(url.pathname) : null;
    if (name && names.includes(name)) {
      const text = await readFile(ASSETS + name, 'utf8');
      response.setHeader('Content-Type', TYPES[path.extname(name)]);
      response.end(text.replaceAll('@VERSION@', 'stage'));
      return;
    }
    if (url.pathname === '/v1/events') {
      if (play.events === null) {
        response.writeHead(503).end('{"error":"too many follow the events"}');
        return;
      }
      response.setHeader('Content-Type', 'text/event-stream');
      response.write(': here\n\n');
      for (const event of play.events || []) response.write(`data: ${JSON.stringify(event)}\n\n`);
      followers.add(response);
      response.on('close', () => followers.delete(response));
      return;
    }
    const given = play.answers[`${request.method} ${url.pathname.slice(1)}`];
    let answer = typeof given === 'function' ? await given(url.searchParams) : given;
    if (answer === undefined) answer = {status: 404, body: {error: `the stage has no answer to ${request.method} ${url.pathname}`}};
    const made = typeof answer.status === 'number' && 'body' in answer ? answer : {status: 200, body: answer};
    response.writeHead(made.status, {'Content-Type': 'application/json'});
    response.end(JSON.stringify(made.body));
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    cut() {
      for (const one of followers) one.destroy();
    },
    followers: () => followers.size,
    tell(event) {
      for (const one of followers) one.write(`data: ${JSON.stringify(event)}\n\n`);
    },
    close() {
      for (const one of followers) one.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stage = await serve(
    {answers: answers({'GET v1/domains': {domains: domains(50)}, 'GET v1/queue': queuePage(10000)}), events: EVENTS},
    Number(process.env.PORT || 8080),
  );
  console.log(`The dashboard, played: ${stage.url}`);
}
