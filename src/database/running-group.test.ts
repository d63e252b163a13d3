/** A group that comes in pieces is the same as one that comes as a whole. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../base/time.ts';
import { decodeEntry } from './entry.ts';
import { packTransactions, type TransactionOutcome, unpackOutcomes } from './packed-group.ts';
import { RunningGroup } from './running-group.ts';
import type { GroupAnswer } from './thread-calls.ts';
import { Writer } from './writer.ts';

const FACTS = { epoch: 1, group: new Uint8Array(16), cross: false };

class Groups {
  readonly writer: Writer;

  constructor(context: TestContext) {
    const folder = mkdtempSync(join(tmpdir(), 'moln-group-'));
    this.writer = new Writer(join(folder, 's.sqlite'), () => systemClock.monotonicMs());
    context.after(() => {
      this.writer[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    });
    assert.equal(this.run(['CREATE TABLE t (id INTEGER PRIMARY KEY, k UNIQUE)'])[0]?.kind, 'done');
  }

  /** Each list is one piece of the group. */
  answer(...pieces: readonly (readonly string[])[]): GroupAnswer {
    const group = new RunningGroup(this.writer, () => systemClock.monotonicMs(), 10_000);
    const packed = pieces.map((texts) =>
      packTransactions(texts.map((sql) => ({ statements: [{ sql }], planned: undefined }))),
    );
    for (const piece of packed.slice(0, -1)) group.run(piece);
    return group.end(packed.at(-1) ?? packTransactions([]), FACTS);
  }

  /** The same, when the log takes it. */
  run(...pieces: readonly (readonly string[])[]): readonly TransactionOutcome[] {
    const answer = this.answer(...pieces);
    assert.ok(answer.kind === 'run');
    if (answer.entry !== undefined) this.writer.commit();
    return unpackOutcomes(answer.outcomes);
  }
}

const insert = (key: string): string => `INSERT INTO t (k) VALUES ('${key}')`;
const kinds = (outcomes: readonly TransactionOutcome[]): readonly string[] =>
  outcomes.map(({ kind }) => kind);

test('all pieces of a group share an entry, and are answered in their order', (context) => {
  const groups = new Groups(context);
  const answer = groups.answer(
    [insert('a'), insert('b')],
    [insert('a'), 'SELECT count(*) FROM t'],
    [insert('c')],
  );
  assert.ok(answer.kind === 'run' && answer.entry !== undefined);
  const { transactions, changes } = decodeEntry(answer.entry.header, answer.entry.body);
  assert.deepEqual({ transactions, changes }, { transactions: 4, changes: 3 });
  const outcomes = unpackOutcomes(answer.outcomes);
  assert.deepEqual(kinds(outcomes), ['done', 'done', 'failed', 'done', 'done']);
  const [, , , read] = outcomes;
  assert.deepEqual(read?.kind === 'done' && read.results[0]?.rows, [[2n]]);
});

test('what must be alone is not so for being the only one of its piece', (context) => {
  const groups = new Groups(context);
  const ddl = 'CREATE TABLE more (id INTEGER PRIMARY KEY)';
  assert.deepEqual(kinds(groups.run([ddl], [])), ['alone']);
  assert.deepEqual(kinds(groups.run([insert('a')], [ddl])), ['done', 'alone']);
  assert.deepEqual(kinds(groups.run([ddl])), ['done']);
});

test('a group that SQLite rolled back in one piece is lost with all of them', (context) => {
  const groups = new Groups(context);
  groups.run([insert('a')]);
  const lost = groups.answer(
    [insert('b'), "INSERT OR ROLLBACK INTO t (k) VALUES ('a')"],
    [insert('c')],
    [insert('d')],
  );
  assert.equal(lost.kind, 'lost');
  const [count] = groups.run(['SELECT count(*) FROM t']);
  assert.deepEqual(count?.kind === 'done' && count.results[0]?.rows, [[1n]]);
});

test('without a transaction to run it in a group says so at its end', (context) => {
  const groups = new Groups(context);
  groups.writer[Symbol.dispose]();
  assert.throws(() => groups.answer([insert('a')], [insert('b')]), /not open/);
});
