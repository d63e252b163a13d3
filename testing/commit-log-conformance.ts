/** What every engine of the commit log must do, as one function for `node:test`. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import {
  type CommitLog,
  type EncodedEntry,
  encodeEntry,
  type Head,
  type Part,
  type SnapshotRecord,
} from '../src/database/database.ts';

export interface LogUnderTest {
  readonly log: CommitLog;
  dispose(): Promise<void>;
}

type Body = (log: CommitLog) => Promise<void>;

const NODE = { node: 'n1', life: 'a' } as const;

export function entryAfter(
  head: Head,
  epoch: number,
  text: string,
  parts?: readonly Part[],
): EncodedEntry {
  return encodeEntry(
    {
      kind: 'ddl',
      cross: false,
      index: head.index + 1,
      epoch,
      schemaVersion: head.index + 1,
      transactions: 1,
      changes: 0,
      group: Uint8Array.from(randomBytes(16)),
      previousHash: head.hash,
    },
    parts ?? [{ kind: 'ddl', sql: text }],
  );
}

/** Nobody's term ends here, however busy the machine is. */
const TTL_MS = 120_000;

async function claim(log: CommitLog, stripe: string): Promise<number> {
  const term = await log.claim(stripe, NODE, { ttlMs: TTL_MS });
  assert.ok(term !== undefined);
  return term.epoch;
}

async function append(log: CommitLog, stripe: string, epoch: number, text: string): Promise<Head> {
  const after = await log.head(stripe);
  const result = await log.append([
    { stripe, epoch, after, entry: entryAfter(after, epoch, text) },
  ]);
  assert.equal(result.kind, 'appended');
  const [head] = result.heads;
  assert.ok(head !== undefined);
  return head;
}

async function texts(log: CommitLog, stripe: string, from = 1): Promise<string[]> {
  const entries = await log.read(stripe, from);
  return entries.flatMap(({ parts }) => parts.map((part) => (part.kind === 'ddl' ? part.sql : '')));
}

export function testCommitLog(name: string, make: () => Promise<LogUnderTest>): void {
  const check = (title: string, body: Body): void => {
    test(title, async (context: TestContext) => {
      const on = await make();
      context.after(() => on.dispose());
      await body(on.log);
    });
  };
  describe(`commit log on ${name}`, () => {
    testAppends(check);
    testSeveral(check);
    testTerms(check);
    testTrimming(check);
  });
}

type Check = (title: string, body: Body) => void;

function testAppends(check: Check): void {
  check('entries come back in order, from any place', async (log) => {
    const epoch = await claim(log, 'a');
    assert.deepEqual(await log.read('a', 1), []);
    for (const text of ['one', 'two', 'three']) await append(log, 'a', epoch, text);
    assert.deepEqual(await texts(log, 'a'), ['one', 'two', 'three']);
    assert.deepEqual(await texts(log, 'a', 3), ['three']);
    assert.deepEqual(await texts(log, 'a', 4), []);
    const head = await log.head('a');
    const last = (await log.read('a', 3))[0];
    assert.equal(head.index, 3);
    assert.deepEqual(head.hash, last?.hash);
    assert.deepEqual(head.group, last?.group);
    assert.equal((await log.head('b')).index, 0);
  });

  check('an entry that was not made to follow the head is not taken', async (log) => {
    const epoch = await claim(log, 'a');
    const before = await append(log, 'a', epoch, 'one');
    const after = await append(log, 'a', epoch, 'two');
    const again = entryAfter(before, epoch, 'in its place');
    const beside = entryAfter({ ...after, hash: before.hash }, epoch, 'of another history');
    for (const entry of [again, beside]) {
      await assert.rejects(log.append([{ stripe: 'a', epoch, after, entry }]), (error) =>
        isMolnError(error, 'DATABASE_CORRUPT'),
      );
    }
    assert.deepEqual(await texts(log, 'a'), ['one', 'two']);
  });

  check('an append that does not follow the head is refused, and changes nothing', async (log) => {
    const epoch = await claim(log, 'a');
    const empty = await log.head('a');
    const head = await append(log, 'a', epoch, 'one');
    const late = await log.append([
      { stripe: 'a', epoch, after: empty, entry: entryAfter(empty, epoch, 'late') },
    ]);
    assert.deepEqual(late, { kind: 'refused', fenced: [], moved: ['a'] });
    assert.deepEqual(await log.head('a'), head);
    assert.deepEqual(await texts(log, 'a'), ['one']);
  });

  check('of twenty appends to one place one gets there', async (log) => {
    const epoch = await claim(log, 'a');
    const after = await log.head('a');
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        log.append([{ stripe: 'a', epoch, after, entry: entryAfter(after, epoch, `t${n}`) }]),
      ),
    );
    assert.equal(results.filter(({ kind }) => kind === 'appended').length, 1);
    assert.equal((await texts(log, 'a')).length, 1);
  });

  check('an entry of 3 MiB is chunked and comes back whole', async (log) => {
    const epoch = await claim(log, 'a');
    const after = await log.head('a');
    const changeset = randomBytes(3 * 1024 * 1024);
    const entry = entryAfter(after, epoch, '', [{ kind: 'changes', changeset }]);
    const result = await log.append([{ stripe: 'a', epoch, after, entry }]);
    assert.equal(result.kind, 'appended');
    await append(log, 'a', epoch, 'next');
    const [found] = await log.read('a', 1);
    assert.deepEqual(found?.hash, entry.hash);
    const [part] = found?.parts ?? [];
    assert.ok(part?.kind === 'changes' && changeset.equals(part.changeset));
  });

  check('a watch wakes for what is appended, or when another one leads', async (log) => {
    const epoch = await claim(log, 'a');
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]);
    const heads = log.watch('a', 'head', signal)[Symbol.asyncIterator]();
    const primaries = log.watch('a', 'primary', signal)[Symbol.asyncIterator]();
    // What happened before.
    for (const hints of [heads, primaries]) assert.equal((await hints.next()).done, false);
    const head = heads.next();
    await append(log, 'a', epoch, 'one');
    assert.equal((await head).done, false);
    const primary = primaries.next();
    assert.ok((await log.claim('a', NODE, { ttlMs: TTL_MS, replaces: epoch })) !== undefined);
    assert.equal((await primary).done, false);
    const ends = [heads.next(), primaries.next()];
    stop.abort();
    for (const end of ends) assert.equal((await end).done, true);
  });
}

function testSeveral(check: Check): void {
  check('an append to two stripes happens on both or none', async (log) => {
    const [a, b] = [await claim(log, 'a'), await claim(log, 'b')];
    const both = async (): ReturnType<CommitLog['append']> => {
      const [ha, hb] = [await log.head('a'), await log.head('b')];
      return log.append([
        { stripe: 'a', epoch: a, after: ha, entry: entryAfter(ha, a, 'both') },
        { stripe: 'b', epoch: b, after: hb, entry: entryAfter(hb, b, 'both') },
      ]);
    };
    const first = await both();
    assert.ok(first.kind === 'appended');
    assert.deepEqual(first.heads, [await log.head('a'), await log.head('b')]);
    const [ha, hb] = [await log.head('a'), await log.head('b')];
    await append(log, 'b', b, 'alone');
    const refused = await log.append([
      { stripe: 'a', epoch: a, after: ha, entry: entryAfter(ha, a, 'half') },
      { stripe: 'b', epoch: b, after: hb, entry: entryAfter(hb, b, 'half') },
    ]);
    assert.deepEqual(refused, { kind: 'refused', fenced: [], moved: ['b'] });
    assert.deepEqual(await texts(log, 'a'), ['both']);
    assert.deepEqual(await texts(log, 'b'), ['both', 'alone']);
  });

  check('the heads of several are what each has by now', async (log) => {
    const [a, b] = [await claim(log, 'a'), await claim(log, 'b')];
    const heads = async (): Promise<void> => {
      const each = [await log.head('a'), await log.head('b'), await log.head('never')];
      assert.deepEqual(await log.heads(['a', 'b', 'never']), each);
    };
    await heads();
    await append(log, 'a', a, 'one');
    await heads();
    await heads();
    await append(log, 'b', b, 'one');
    await append(log, 'a', a, 'two');
    await heads();
    assert.deepEqual(await log.heads([]), []);
  });

  check('a stripe that was only read must not have moved', async (log) => {
    const [a, b] = [await claim(log, 'a'), await claim(log, 'b')];
    const at = await append(log, 'b', b, 'read');
    const after = await log.head('a');
    await append(log, 'b', b, 'written since');
    const entry = entryAfter(after, a, 'from old');
    const old = await log.append(
      [{ stripe: 'a', epoch: a, after, entry }],
      [{ stripe: 'b', epoch: b, at }],
    );
    assert.deepEqual(old, { kind: 'refused', fenced: [], moved: ['b'] });
    const now = await log.append(
      [{ stripe: 'a', epoch: a, after, entry }],
      [{ stripe: 'b', epoch: b, at: await log.head('b') }],
    );
    assert.equal(now.kind, 'appended');
  });

  check('sixty-three stripes fit into one append, one more is refused by name', async (log) => {
    const names = Array.from({ length: 64 }, (_, n) => `s${n}`);
    const appends = await Promise.all(
      names.map(async (stripe) => {
        const epoch = await claim(log, stripe);
        const after = await log.head(stripe);
        const big: Part = { kind: 'changes', changeset: randomBytes(40_000) };
        return { stripe, epoch, after, entry: entryAfter(after, epoch, '', [big]) };
      }),
    );
    await assert.rejects(log.append(appends), (error) => isMolnError(error, 'DATABASE_LIMIT'));
    assert.equal((await log.append(appends.slice(0, 63))).kind, 'appended');
    assert.equal((await log.head('s62')).index, 1);
  });
}

function testTerms(check: Check): void {
  check(
    'one primary at a time; the next epoch is greater and fences the one before',
    async (log) => {
      const first = await log.claim('a', NODE);
      assert.ok(first !== undefined);
      assert.equal(await log.claim('a', { node: 'n2', life: 'b' }), undefined);
      assert.deepEqual(await log.primary('a'), { ...NODE, epoch: first.epoch });
      const after = await append(log, 'a', first.epoch, 'one');
      const next = await log.claim('a', { node: 'n2', life: 'b' }, { replaces: first.epoch });
      assert.ok(next !== undefined && next.epoch > first.epoch);
      const fenced = await log.append([
        { stripe: 'a', epoch: first.epoch, after, entry: entryAfter(after, first.epoch, 'old') },
      ]);
      assert.deepEqual(fenced, { kind: 'refused', fenced: ['a'], moved: [] });
      await first[Symbol.asyncDispose]();
      assert.equal((await log.primary('a'))?.epoch, next.epoch);
      await next.renew();
      await next[Symbol.asyncDispose]();
      assert.equal(await log.primary('a'), undefined);
      await assert.rejects(next.renew(), (error) => isMolnError(error, 'REGISTRY_LEASE_LOST'));
    },
  );
}

function testTrimming(check: Check): void {
  check('what is trimmed is gone, the rest stays', async (log) => {
    const epoch = await claim(log, 'a');
    let head = await log.head('a');
    for (let n = 1; n <= 600; n++) {
      const result = await log.append([
        { stripe: 'a', epoch, after: head, entry: entryAfter(head, epoch, `t${n}`) },
      ]);
      assert.ok(result.kind === 'appended');
      head = result.heads[0] ?? head;
    }
    assert.equal(await log.trim('a', 100, epoch), 101);
    assert.equal((await texts(log, 'a', 101)).at(0), 't101');
    assert.equal(await log.trim('a', 520, epoch), 521);
    assert.equal(await log.trim('a', 100, epoch), 521);
    await assert.rejects(log.read('a', 520), (error) => isMolnError(error, 'DATABASE_TRIMMED'));
    assert.equal((await texts(log, 'a', 521)).at(0), 't521');
    assert.equal((await texts(log, 'a', 521)).at(-1), 't600');
    assert.equal(await log.trim('a', 550, epoch + 1), 521);
    assert.equal(await log.trim('a', 600, epoch), 601);
    await assert.rejects(log.read('a', 600), (error) => isMolnError(error, 'DATABASE_TRIMMED'));
    assert.deepEqual(await log.read('a', 601), []);
    assert.equal((await append(log, 'a', epoch, 'goes on')).index, 601);
    assert.equal((await texts(log, 'a', 601)).at(0), 'goes on');
  });

  check('a snapshot is recorded once, and only by the primary', async (log) => {
    const epoch = await claim(log, 'a');
    const record = (id: string, index: number): SnapshotRecord => ({
      id,
      index,
      hash: '',
      schemaVersion: 1,
      sha256: '',
      bytes: 1,
      nodes: ['n1', 'n2'],
    });
    assert.equal(await log.snapshot('a'), undefined);
    assert.equal(await log.recordSnapshot('a', record('x', 1), undefined, epoch), true);
    assert.equal(await log.recordSnapshot('a', record('y', 2), undefined, epoch), false);
    assert.equal(await log.recordSnapshot('a', record('y', 2), record('x', 1), epoch - 1), false);
    assert.deepEqual(await log.snapshot('a'), record('x', 1));
    assert.equal(await log.recordSnapshot('a', record('y', 2), record('x', 1), epoch), true);
    assert.deepEqual(await log.snapshot('a'), record('y', 2));
  });
}
