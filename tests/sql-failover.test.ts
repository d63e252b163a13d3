/** Another copy takes over while clients write: every insert that was acknowledged is there once, and clients go on by themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import type { Stripe, StripeClient } from '../src/database/database.ts';
import { SqlEngine, TableIds } from '../src/sql/sql.ts';
import { startDatabase } from '../testing/database-kit.ts';
import { ask, rows } from '../testing/sql-kit.ts';
import { until } from '../testing/until.ts';

/** Asks the copy that leads, as a node does. */
function leading(copies: readonly Stripe[]): StripeClient {
  const [first] = copies;
  if (first === undefined) throw new Error('A stripe has copies');
  const primary = (): Stripe => copies.find(({ status }) => status.role === 'primary') ?? first;
  return {
    name: first.name,
    execute: (statements, expect) => primary().execute(statements, expect),
    begin: () => primary().begin(),
    query: (statement, level, expect) => primary().query(statement, level, expect),
    view: () => primary().view(),
  };
}

test('a planned move and a forced one under load', async () => {
  await using on = await startDatabase();
  const copies = await Promise.all(
    ['s0', 's1'].map(async (name) =>
      Promise.all(['n1', 'n2'].map(async (node) => on.copy(node, { name }))),
    ),
  );
  for (const [first] of copies) await first?.lead();
  await using engine = new SqlEngine({
    name: 'shop',
    stripes: copies.map((own) => leading(own)),
    log: on.log,
    ids: new TableIds(on.registry, 'shop'),
    clock: systemClock,
    logger: silentLogger,
    limits: { retryMs: 60_000 },
  });
  const admin = await engine.openSession({ id: 'admin', readOnly: false });
  await ask(admin, 'CREATE TABLE item (id INTEGER PRIMARY KEY, client INTEGER, n INTEGER)');
  const sure = new Set<string>();
  const unsure = new Set<string>();
  let isOver = false;
  const clients = Array.from({ length: 4 }, async (_, client) => {
    const session = await engine.openSession({ id: `c${client}`, readOnly: false });
    for (let n = 0; !isOver; n++) {
      try {
        await ask(session, `INSERT INTO item (client, n) VALUES (${client}, ${n})`);
        sure.add(`${client}:${n}`);
      } catch (error) {
        if (!isMolnError(error, 'DATABASE_OUTCOME_UNKNOWN')) throw error;
        unsure.add(`${client}:${n}`);
      }
    }
  });
  const more = async (): Promise<void> => {
    const before = sure.size;
    await until('more inserts', () => sure.size > before + 20, { withinMs: 60_000 });
  };
  await more();
  const [[one1, two1] = [], [one2, two2] = []] = copies;
  await one1?.release();
  await until('the other copy leads', async () => two1?.lead(), { withinMs: 60_000 });
  await more();
  const { epoch } = (await on.log.primary('s1')) ?? {};
  await until('the other copy leads', async () => two2?.lead({ replaces: epoch ?? 0 }), {
    withinMs: 60_000,
  });
  await until('the old one knows', () => one2?.status.role === 'mirror', { withinMs: 60_000 });
  await more();
  isOver = true;
  await Promise.all(clients);
  const found = await rows(admin, 'SELECT client, n FROM item');
  const there = found.map(([client, n]) => `${String(client)}:${String(n)}`);
  assert.equal(new Set(there).size, there.length, 'none twice');
  for (const one of sure) assert.ok(there.includes(one), `${one} was acknowledged`);
  for (const one of there) assert.ok(sure.has(one) || unsure.has(one), `${one} was sent`);
});
