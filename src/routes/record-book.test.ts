import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { silentLogger } from '../base/log.ts';
import { openSqliteRegistry } from '../registry/registry.ts';
import { RecordBook, type Surroundings } from './record-book.ts';

const AROUND: Surroundings = { apps: [], checkHosts: () => undefined };
const ASK = (): Promise<void> => Promise.resolve();

async function book(t: TestContext): Promise<RecordBook> {
  const folder = mkdtempSync(join(tmpdir(), 'moln-routes-'));
  const clock = new ManualClock();
  const path = join(folder, 'registry.sqlite');
  const registry = await openSqliteRegistry({ path, clock, log: silentLogger });
  t.after(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  return new RecordBook({ registry, clock });
}

test('of two that want one place at the same time one gets it', async (t) => {
  const records = await book(t);
  const written = { host: 'a.example', respond: { status: 200 } };
  const names = ['a', 'b', 'c', 'd'];
  const sets = names.map((name) => records.setRoute(name, { written }, AROUND, 'me'));
  const codes = (await Promise.allSettled(sets)).map((one) =>
    one.status === 'fulfilled' ? 'set' : (one.reason as { readonly code: string }).code,
  );
  assert.deepEqual(codes.toSorted(), [...Array<string>(3).fill('ROUTES_PLACE_TAKEN'), 'set']);
  assert.equal((await records.list('route')).length, 1);
});

test('of two ports at the same time one is opened', async (t) => {
  const records = await book(t);
  const written = { port: 25, protocol: 'tcp', upstreams: 'tcp://a:25' };
  const sets = ['a', 'b'].map((name) => records.setListener(name, { written }, ASK, 'me'));
  const settled = await Promise.allSettled(sets);
  assert.deepEqual(settled.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
});

test('a change of what is not there any more is refused, and hashes are kept by name', async (t) => {
  const records = await book(t);
  const basic = (user: string): object => ({ basic: { realm: 'Staff', users: [user] } });
  const hash = `{SHA256}${'A'.repeat(43)}=`;
  const route = { host: 'a.example', respond: { status: 200 } };
  const set = (user: string, ifRevision?: number): Promise<number> =>
    records.setRoute(
      'a',
      {
        written: { ...route, auth: basic(user) },
        ...(ifRevision === undefined ? {} : { ifRevision }),
      },
      AROUND,
      'me',
    );
  await assert.rejects(set('ada:(kept)'), { code: 'CONFIG_INVALID' });
  const first = await set(`ada:${hash}`, 0);
  await assert.rejects(set(`ada:${hash}`, 0), { code: 'ROUTES_CHANGED_CONFLICT' });
  await set('ada:(kept)', first);
  const { value } = await records.get('route', 'a');
  assert.deepEqual(value.written['auth'], basic(`ada:${hash}`));
  await assert.rejects(set('bob:(kept)'), { code: 'CONFIG_INVALID' });
  await assert.rejects(records.get('route', 'b'), { code: 'ROUTES_NOT_FOUND' });
  await records.remove('route', 'a');
  await assert.rejects(records.remove('route', 'a'), { code: 'ROUTES_NOT_FOUND' });
});
