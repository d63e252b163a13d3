/** Tokens, login codes and sessions: what opens a door, for how long, and what is kept of it. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { isMolnError } from '../base/errors.ts';
import { createLogger, type LogRecord } from '../base/log.ts';
import { openSqliteRegistry, type Registry } from '../registry/registry.ts';
import { Accounts, LOGIN_TTL_MS, SESSION_AGE_MAX_MS, SESSION_IDLE_MS } from './accounts.ts';
import { LOGINS_MAX, SESSION_TOUCH_MS } from './limits.ts';

interface Ground {
  readonly accounts: Accounts;
  readonly registry: Registry;
  readonly clock: ManualClock;
  readonly log: readonly LogRecord[];
  readonly folder: string;
}

async function open(context: TestContext): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-accounts-'));
  const clock = new ManualClock();
  const records: LogRecord[] = [];
  const log = createLogger({
    part: 'accounts',
    sinks: [(record) => records.push(record)],
    now: () => clock.now(),
  });
  const registry = await openSqliteRegistry({ path: join(folder, 'registry.sqlite'), clock, log });
  context.after(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return {
    accounts: new Accounts({ registry, clock, log }),
    registry,
    clock,
    log: records,
    folder,
  };
}

async function login(accounts: Accounts): Promise<string> {
  const { code } = await accounts.createLoginCode();
  const redeemed = await accounts.redeemLogin(code);
  assert.ok(redeemed);
  return redeemed.session;
}

async function countUnder(registry: Registry, prefix: string): Promise<number> {
  return (await registry.list(prefix)).entries.length;
}

/** The same text with its last character replaced by another of the alphabet. */
function bent(text: string): string {
  return text.slice(0, -1) + (text.endsWith('A') ? 'B' : 'A');
}

test('a token says who asks and with which scope', async (context) => {
  const { accounts, clock } = await open(context);
  const { token, detail } = await accounts.createToken({ name: 'ci', scope: 'deploy' });
  assert.match(token, /^moln_[0-9a-z]{12}_[\w-]{43}$/);
  assert.deepEqual(await accounts.verifyToken(token), { name: 'ci', scope: 'deploy' });
  assert.deepEqual(await accounts.listTokens(), [{ ...detail, lastUsedAt: clock.now() }]);
  assert.equal(detail.lastUsedAt, undefined);
});

test('a token that is not exactly right opens nothing', async (context) => {
  const { accounts } = await open(context);
  const { token } = await accounts.createToken({ name: 'ci', scope: 'admin' });
  const other = await accounts.createToken({ name: 'other', scope: 'admin' });
  const [kind, id] = token.split('_');
  const swapped = `${kind}_${id}_${other.token.split('_').slice(2).join('_')}`;
  const wrong = [
    '',
    'moln_',
    bent(token),
    `${token}A`,
    ` ${token}`,
    token.slice(0, -1),
    token.toUpperCase(),
    swapped,
    token.replace('moln', 'session'),
    `moln_../../nodes/_${'A'.repeat(43)}`,
  ];
  for (const text of wrong) assert.equal(await accounts.verifyToken(text), undefined, text);
  assert.ok(await accounts.verifyToken(token));
});

test('a token ends when it is revoked', async (context) => {
  const { accounts } = await open(context);
  const { token, detail } = await accounts.createToken({ name: 'ci', scope: 'read' });
  await accounts.revokeToken(detail.id);
  assert.equal(await accounts.verifyToken(token), undefined);
  assert.deepEqual(await accounts.listTokens(), []);
  await assert.rejects(accounts.revokeToken(detail.id), (error) =>
    isMolnError(error, 'ACCOUNTS_TOKEN_NOT_FOUND'),
  );
});

test('a token ends when its time is over, and the list still shows it', async (context) => {
  const { accounts, clock } = await open(context);
  const { token, detail } = await accounts.createToken({ name: 'ci', scope: 'read', ttlMs: 5000 });
  assert.equal(detail.expiresAt, clock.now() + 5000);
  clock.advance(4999);
  assert.ok(await accounts.verifyToken(token));
  clock.advance(1);
  assert.equal(await accounts.verifyToken(token), undefined);
  assert.equal((await accounts.listTokens()).length, 1);
});

test('names that could not be shown are refused', async (context) => {
  const { accounts } = await open(context);
  for (const name of ['', 'x'.repeat(65), 'line\nbreak']) {
    await assert.rejects(accounts.createToken({ name, scope: 'read' }), (error) =>
      isMolnError(error, 'ACCOUNTS_NAME_INVALID'),
    );
  }
});

test('no secret is kept, neither in the registry nor in the log', async (context) => {
  const { accounts, log, folder } = await open(context);
  const { token } = await accounts.createToken({ name: 'ci', scope: 'admin' });
  const { code } = await accounts.createLoginCode();
  const session = (await accounts.redeemLogin(code))?.session ?? '';
  await accounts.verifySession(session);
  const stored = Buffer.concat(
    await Promise.all(
      ['registry.sqlite', 'registry.sqlite-wal'].map((name) => readFile(join(folder, name))),
    ),
  );
  const logged = JSON.stringify(log);
  for (const text of [token, code, session]) {
    const secret = text.split('_').slice(2).join('_');
    assert.equal(secret.length, 43);
    assert.ok(!stored.includes(secret), 'the secret is on the disk');
    assert.ok(!logged.includes(secret), 'the secret is in the log');
  }
});

test('what opens and closes doors is in the audit log', async (context) => {
  const { accounts, log } = await open(context);
  const { detail } = await accounts.createToken({ name: 'ci', scope: 'admin' });
  await accounts.revokeToken(detail.id);
  await accounts.endSession(await login(accounts));
  const audit = log.filter((record) => record.fields['audit'] === true);
  assert.deepEqual(
    audit.map((record) => record.message),
    ['Token created', 'Token revoked', 'Login link created', 'Logged in with a link', 'Logged out'],
  );
});

test('a login code makes one session', async (context) => {
  const { accounts, registry } = await open(context);
  const { code } = await accounts.createLoginCode();
  assert.equal(await accounts.redeemLogin(bent(code)), undefined);
  const redeemed = await accounts.redeemLogin(code);
  assert.equal(redeemed?.maxAgeMs, SESSION_AGE_MAX_MS);
  assert.deepEqual(await accounts.verifySession(redeemed?.session ?? ''), {
    name: 'console',
    scope: 'admin',
  });
  assert.equal(await accounts.redeemLogin(code), undefined);
  assert.equal(await countUnder(registry, '/logins/'), 0);
});

test('of many who redeem one code at once, one gets in', async (context) => {
  const { accounts, registry } = await open(context);
  const { code } = await accounts.createLoginCode();
  const tries = await Promise.all(Array.from({ length: 20 }, () => accounts.redeemLogin(code)));
  assert.equal(tries.filter((redeemed) => redeemed !== undefined).length, 1);
  assert.equal(await countUnder(registry, '/sessions/'), 1);
});

test('a login code ends after a quarter of an hour', async (context) => {
  const { accounts, clock } = await open(context);
  const first = await accounts.createLoginCode();
  assert.equal(first.expiresAt, clock.now() + LOGIN_TTL_MS);
  const second = await accounts.createLoginCode();
  clock.advance(LOGIN_TTL_MS - 1);
  assert.ok(await accounts.redeemLogin(first.code));
  clock.advance(1);
  assert.equal(await accounts.redeemLogin(second.code), undefined);
});

test('login codes that nobody uses do not pile up', async (context) => {
  const { accounts, registry, clock } = await open(context);
  const first = await accounts.createLoginCode();
  for (let index = 0; index < LOGINS_MAX; index++) {
    clock.advance(1);
    await accounts.createLoginCode();
  }
  assert.equal(await countUnder(registry, '/logins/'), LOGINS_MAX);
  assert.equal(await accounts.redeemLogin(first.code), undefined);
});

test('a session lives on while it is used, but not for ever', async (context) => {
  const { accounts, clock } = await open(context);
  const session = await login(accounts);
  let lived = 0;
  while ((await accounts.verifySession(session)) !== undefined) {
    clock.advance(SESSION_IDLE_MS - 1);
    lived += SESSION_IDLE_MS - 1;
  }
  assert.ok(lived >= SESSION_AGE_MAX_MS);
  assert.ok(lived < SESSION_AGE_MAX_MS + SESSION_IDLE_MS);
});

test('a session that is not used ends after 12 hours', async (context) => {
  const { accounts, clock } = await open(context);
  const session = await login(accounts);
  clock.advance(SESSION_IDLE_MS);
  assert.equal(await accounts.verifySession(session), undefined);
});

test('using a session writes rarely', async (context) => {
  const { accounts, registry, clock } = await open(context);
  const session = await login(accounts);
  const { revision } = await registry.list('');
  for (let index = 0; index < 10; index++) {
    clock.advance(1000);
    assert.ok(await accounts.verifySession(session));
  }
  assert.equal((await registry.list('')).revision, revision);
  clock.advance(SESSION_TOUCH_MS);
  await Promise.all([1, 2, 3].map(() => accounts.verifySession(session)));
  assert.equal((await registry.list('')).revision, revision + 1);
});

test('logging out ends a session, and only that one', async (context) => {
  const { accounts } = await open(context);
  const [one, two] = [await login(accounts), await login(accounts)];
  await accounts.endSession(bent(one));
  assert.ok(await accounts.verifySession(one));
  await accounts.endSession(one);
  await accounts.endSession(one);
  assert.equal(await accounts.verifySession(one), undefined);
  assert.ok(await accounts.verifySession(two));
});

test('the sweeper removes what has expired and nothing else', async (context) => {
  const { accounts, registry, clock } = await open(context);
  await login(accounts);
  await accounts.createLoginCode();
  clock.advance(SESSION_IDLE_MS);
  const session = await login(accounts);
  const { code } = await accounts.createLoginCode();
  const sweeper = accounts.sweeper();
  await sweeper.step(new AbortController().signal);
  assert.equal(await countUnder(registry, '/sessions/'), 1);
  assert.equal(await countUnder(registry, '/logins/'), 1);
  assert.match(sweeper.status(), /Removed 2/);
  assert.ok(await accounts.verifySession(session));
  assert.ok(await accounts.redeemLogin(code));
});
