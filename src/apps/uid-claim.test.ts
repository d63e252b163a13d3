/** Deploys that want a uid at the same time, in a real registry. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { silentLogger as log } from '../base/log.ts';
import { isMolnError } from '../base/errors.ts';
import { openSqliteRegistry, type Registry } from '../registry/registry.ts';
import { AppStore } from './app-store.ts';
import { newApp } from './app-wishes.ts';
import { UID_FIRST, UID_LAST } from './run-limits.ts';
import { claimUid, type UidClaim } from './uid-claim.ts';

interface Ground {
  readonly registry: Registry;
  readonly store: AppStore;
  readonly claim: (used?: readonly number[]) => Promise<UidClaim>;
}

async function ground(context: TestContext): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-uids-'));
  const path = join(folder, 'registry.sqlite');
  const registry = await openSqliteRegistry({ path, clock: new ManualClock(), log });
  context.after(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const sealer = { seal: () => Buffer.of(), open: () => '' };
  const store = new AppStore({ registry, sealer });
  // All of them begin to look at the same place, as two nodes may by chance.
  const claim: Ground['claim'] = (used = []) =>
    claimUid({ registry, log, removals: store.removals, used: new Set(used), seed: 0 });
  return { registry, store, claim };
}

test('deploys at the same time get different uids', async (context) => {
  const { claim } = await ground(context);
  const claims = await Promise.all(Array.from({ length: 8 }, () => claim()));
  const uids = claims.map(({ uid }) => uid).toSorted((a, b) => a - b);
  assert.deepEqual(
    uids,
    uids.map((_, at) => UID_FIRST + at),
  );
});

test('a uid is free again when its claim ends, unless an app has it by then', async (context) => {
  const { store, claim } = await ground(context);
  const first = await claim();
  await first[Symbol.asyncDispose]();
  const second = await claim();
  assert.equal(second.uid, first.uid);
  await store.commit({ app: newApp('shop', second.uid, 0), revision: 0 });
  await second[Symbol.asyncDispose]();
  // Whoever listed the apps before that commit does not know.
  assert.equal((await claim()).uid, first.uid + 1);
});

test('the uid of a deploy that has just failed is not given while a node holds what is left of it', async (context) => {
  const { store, claim } = await ground(context);
  const failed = await claim();
  assert.equal(await store.leftOn(newApp('shop', failed.uid, 0), ['n2']), true);
  await failed[Symbol.asyncDispose]();
  assert.equal((await claim()).uid, failed.uid + 1);
});

test('when none is left nothing stays claimed', async (context) => {
  const { registry, claim } = await ground(context);
  const all = Array.from({ length: UID_LAST - UID_FIRST + 1 }, (_, at) => UID_FIRST + at);
  await assert.rejects(claim(all), (error) => isMolnError(error, 'APPS_NO_UID_LEFT'));
  const { entries } = await registry.list('/app-uid-claims/');
  assert.deepEqual(entries, []);
});
