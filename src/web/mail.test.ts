import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startMailServer } from '../../testing/mail-server.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { createLogger } from '../base/log.ts';
import { JobRunner } from './jobs.ts';
import { raw } from './jsx-runtime.ts';
import { DELIVER_MAIL, type Mail, sendMail, textOf, useMail } from './mail.ts';
import { makeOwnTables } from './own-tables.ts';
import { smtpCarrier } from './smtp.ts';
import { transaction, useDatabase } from './sql.ts';
import { SqliteDatabase } from './sqlite-database.ts';

const html = raw(
  '<h1>Größe</h1><p>Go <a href="http://a.test/?a=1&amp;b=2">here</a></p>',
) as unknown;
const MAIL = { to: 'ada@example.org', subject: 'Grüße', html } as Mail;

test('a mail belongs to its transaction, waits for a mail server that is away, and is sent once', async () => {
  await using database = new SqliteDatabase(':memory:');
  await makeOwnTables(database);
  useDatabase(database);
  await using server = await startMailServer(1);
  useMail(smtpCarrier({ url: server.url, from: 'Blog <blog@example.org>' }));
  const clock = new ManualClock(Date.now() + 1000);
  const log = createLogger({ part: 'test', now: () => 0, sinks: [] });
  const jobs = new JobRunner({ jobs: [DELIVER_MAIL as never], database, log, clock });

  await assert.rejects(
    transaction(async () => {
      await sendMail(MAIL);
      throw new Error('No');
    }),
  );
  await sendMail(MAIL);
  assert.equal(await jobs.drain(), 1);
  assert.deepEqual(server.received, []);
  clock.advance(10_000);
  assert.equal(await jobs.drain(), 1);
  assert.equal(await jobs.drain(), 0);
  const [mail = ''] = server.received;
  assert.match(mail, /^MAIL FROM:<blog@example\.org>\nRCPT TO:<ada@example\.org>\n/);
  assert.match(mail, /Message-ID: <\w{20}@example\.org>/);
  assert.match(mail, /here \(http:\/\/a\.test\/\?a=1&b=2\)/);
});

test('whom the mail server refuses while it takes others is tried again, and only they', async () => {
  await using database = new SqliteDatabase(':memory:');
  await makeOwnTables(database);
  useDatabase(database);
  await using server = await startMailServer(0, 'bob@example.org');
  useMail(smtpCarrier({ url: server.url, from: 'Blog <blog@example.org>' }));
  const clock = new ManualClock(Date.now() + 1000);
  const log = createLogger({ part: 'test', now: () => 0, sinks: [] });
  const jobs = new JobRunner({ jobs: [DELIVER_MAIL as never], database, log, clock });
  await sendMail({ ...MAIL, to: ['ada@example.org', 'bob@example.org'] });
  assert.equal(await jobs.drain(), 1);
  clock.advance(10_000);
  assert.equal(await jobs.drain(), 1);
  assert.equal(await jobs.drain(), 0);
  assert.equal(server.received.length, 2);
  const [first = '', second = ''] = server.received;
  assert.match(first, /^MAIL FROM:<blog@example\.org>\nRCPT TO:<ada@example\.org>\n\w/);
  assert.match(second, /^MAIL FROM:<blog@example\.org>\nRCPT TO:<bob@example\.org>\n\w/);
  // It is the same mail.
  for (const name of ['To', 'Message-ID']) {
    const line = new RegExp(`^${name}: .*$`, 'm');
    assert.equal(line.exec(second)?.[0], line.exec(first)?.[0]);
  }
});

test('what is no mail, and a server that cannot be one, is said at once', async () => {
  const bad = (given: Partial<Mail>) => sendMail({ ...MAIL, ...given });
  await assert.rejects(bad({ to: 'ada@example.org\r\nBcc: eve@example.org' }), /is no address/);
  await assert.rejects(bad({ to: 'ada,eve@example.org' }), /is no address/);
  await assert.rejects(bad({ to: [] }), /1 to 50 addresses/);
  await assert.rejects(bad({ text: 'x'.repeat(600_000) }), /at most 500000/);
  assert.throws(
    () => smtpCarrier({ url: 'mail.example.org:25', from: undefined }),
    /MAIL_URL is no/,
  );
  const none = smtpCarrier({ url: undefined, from: undefined });
  await assert.rejects(
    none.carry({ id: 'a', to: [], subject: '', text: '' }),
    /MAIL_URL is not set/,
  );
});

test('what a page says, for programs that show no HTML', () => {
  assert.equal(
    textOf('<style>p{}</style><p>A &lt;b&gt;</p><ul><li>1</li><li>2</li></ul>'),
    'A <b>\n\n1\n\n2',
  );
});
