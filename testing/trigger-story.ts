/**
 * One seed's story of triggers: tables, triggers that name rows by those that fire them, and statements; after each, every table is as SQLite has it.
 * Tables hold more rows than a gathered statement may have, in half of the stories, so that what need not be gathered is not.
 */
import { NEVER, PlannerPair } from './planner-pair.ts';
import { type Seeded, seeded } from './seeded.ts';

const TABLES: readonly (readonly [string, string])[] = [
  ['o', 'CREATE TABLE o(id INTEGER PRIMARY KEY, k TEXT, total INTEGER DEFAULT 0, n INTEGER)'],
  ['l', 'CREATE TABLE l(id INTEGER PRIMARY KEY, o INTEGER, sku TEXT, q INTEGER NOT NULL)'],
  ['s', 'CREATE TABLE s(sku TEXT PRIMARY KEY, left INTEGER, seen REAL)'],
  ['g', 'CREATE TABLE g(what, o, n)'],
  ['c', 'CREATE TABLE c(k TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER, UNIQUE (n, k))'],
];
const CLAUSES: Readonly<Record<string, readonly string[]>> = {
  o: ['', ' /* moln: distribute by k */', ' /* moln: single */'],
  l: ['', ' /* moln: distribute by o */', ' /* moln: distribute by sku */'],
  s: ['', ' /* moln: reference */'],
  g: ['', ' /* moln: distribute by o */', ' /* moln: single */'],
  c: ['', ' /* moln: distribute by n */'],
};
const LOG = 'CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER, what UNIQUE)';

/** By the table that fires them; `R` is NEW or OLD. */
const BODIES: Readonly<Record<string, readonly string[]>> = {
  l: [
    'UPDATE o SET total = total + R.q WHERE id = R.o',
    'UPDATE o SET total = (SELECT total(q) FROM l WHERE o = R.o) WHERE id = R.o',
    'UPDATE o SET n = (SELECT count(*) FROM l x WHERE x.o = o.id) WHERE R.o = id',
    "INSERT INTO g VALUES ('l', R.o, R.q)",
    'INSERT OR IGNORE INTO s(sku, left) VALUES (R.sku, 100)',
    'INSERT INTO s(sku, left) VALUES (R.sku, 1) ON CONFLICT(sku) DO UPDATE SET left = left - R.q',
    'UPDATE s SET left = left - R.q, seen = R.q WHERE sku = R.sku',
    "SELECT RAISE(ABORT, 'none left') FROM s WHERE sku = R.sku AND left < 0",
    'SELECT RAISE(IGNORE) WHERE NOT EXISTS (SELECT 1 FROM o WHERE o.id = R.o)',
    'DELETE FROM g WHERE o = R.o AND n < R.q',
    'INSERT INTO c SELECT R.sku, R.q WHERE R.q > 3',
    'UPDATE l SET q = abs(q) WHERE id = R.id',
    'INSERT INTO a(at, what) VALUES (R.id, R.sku || R.q)',
    'INSERT INTO a(at) VALUES (R.q)',
    "INSERT INTO g SELECT 'j', l.id, o.total FROM l LEFT JOIN o ON o.id = l.o WHERE l.o = R.o",
    "UPDATE o SET k = R.sku WHERE id = R.o AND k = 'a'",
  ],
  o: [
    'DELETE FROM l WHERE o = R.id',
    'UPDATE l SET sku = R.k WHERE o = R.id AND q > 2',
    'INSERT OR REPLACE INTO c(k, n) VALUES (R.k, R.id)',
    'INSERT INTO c(k, n) VALUES (R.k, 1) ON CONFLICT(k) DO UPDATE SET n = n + 1',
    "INSERT INTO g(what, o) VALUES ('o', R.id), ('again', R.total)",
    'UPDATE o SET n = coalesce(n, 0) + 1 WHERE id = R.id',
    'DELETE FROM c WHERE k = R.k',
    "SELECT RAISE(FAIL, 'known') FROM c WHERE c.k = R.k AND c.n > 3",
    'INSERT INTO g SELECT k, o.id, 7 FROM o WHERE k = R.k',
  ],
};

/** Throws with the seed and the statements so far when an answer differs. Tells how many of them named their rows. */
export async function tellTriggers(seed: number, statements: number): Promise<number> {
  const random = seeded(seed);
  const isFull = random.chance(0.5);
  using pair = new PlannerPair([1, 3, 8], seed % 2 === 0 ? {} : { exact: NEVER });
  const told: string[] = [];
  const ask = async (sql: string, ordered = false): Promise<void> => {
    told.push(sql);
    await pair.ask(sql, { ordered });
  };
  let named = 0;
  try {
    for (const [name, sql] of TABLES) await ask(`${sql}${random.pick(CLAUSES[name] ?? [''])}`);
    await ask(LOG);
    if (isFull) {
      const many = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40)';
      await ask(`${many} INSERT INTO o(id, k) SELECT 1000 + i, 'x' || i FROM n`);
      await ask(`${many} INSERT INTO l SELECT 1000 + i, 1000 + i % 7, 'x' || i % 5, i FROM n`);
      await ask(`${many} INSERT INTO s SELECT 'x' || i, i, i / 2.0 FROM n`);
      await ask(`${many} INSERT INTO g SELECT 'x', 1000 + i, i FROM n`);
    }
    for (let at = 1 + random.below(3); at > 0; at--) await ask(trigger(random, at));
    for (let at = 0; at < statements; at++) {
      const sql = statement(random);
      named += Number(pair.connections[1]?.explain(sql).plan.startsWith('narrow') === true);
      await ask(sql);
      for (const table of ['o', 'l', 's', 'g', 'c', 'a']) await ask(`SELECT * FROM ${table}`);
    }
  } catch (error) {
    const writes = told.filter((sql) => !sql.startsWith('SELECT')).join(';\n');
    throw new Error(`Seed ${seed}:\n${writes};\n\n${String(error)}`, { cause: error });
  }
  return named;
}

function trigger(random: Seeded, at: number): string {
  const table = random.pick(['l', 'l', 'o']);
  const event = random.pick(['INSERT', 'INSERT', 'UPDATE', 'DELETE']);
  const words = event === 'INSERT' ? ['NEW'] : event === 'DELETE' ? ['OLD'] : ['NEW', 'OLD'];
  const bodies = Array.from({ length: 1 + random.below(2) }, () =>
    random.pick(BODIES[table] ?? []).replaceAll('R.', () => `${random.pick(words)}.`),
  );
  const when = random.chance(0.2) ? ` WHEN ${random.pick(words)}.id > 3` : '';
  const time = random.chance(0.75) ? 'AFTER' : 'BEFORE';
  return `CREATE TRIGGER tr${at} ${time} ${event} ON ${table}${when} BEGIN ${bodies.join('; ')}; END`;
}

function statement(random: Seeded): string {
  const id = (): number => 1 + random.below(8);
  const word = (): string => random.pick(["'a'", "'A'", "'b'", "'x1'", 'NULL', "'7'"]);
  const or = random.chance(0.2) ? ` OR ${random.pick(['IGNORE', 'REPLACE', 'FAIL'])}` : '';
  const line = (): string =>
    `(${random.chance(0.4) ? 'NULL' : 20 + id()}, ${id()}, ${word()}, ${random.below(6) - 1})`;
  const order = (): string => `(${random.chance(0.4) ? 'NULL' : id()}, ${word()}, ${id()})`;
  const where = (): string =>
    random.pick([`id = ${id()}`, `id = ${20 + id()}`, `id < ${id()}`, `id IN (${id()}, ${id()})`]);
  return random.pick([
    (): string => `INSERT${or} INTO l VALUES ${line()}`,
    (): string => `INSERT${or} INTO l VALUES ${line()}, ${line()}`,
    (): string => `INSERT INTO l(o, sku, q) SELECT id, k, n FROM o WHERE id < 4`,
    (): string => `INSERT${or} INTO o(id, k, n) VALUES ${order()}`,
    (): string => `INSERT${or} INTO o(id, k, n) VALUES ${order()}, ${order()} RETURNING *`,
    (): string =>
      `INSERT INTO o(id, k) VALUES (${id()}, ${word()}) ON CONFLICT(id) DO UPDATE SET n = 5`,
    (): string => `UPDATE l SET q = ${random.pick(['q + 1', '-2', "'3'"])} WHERE ${where()}`,
    (): string => `UPDATE l SET sku = ${word()}, q = q WHERE o = ${id()}`,
    (): string => `UPDATE o SET total = ${id()}.0 WHERE ${where()}`,
    (): string => `UPDATE o SET n = n WHERE ${where()} RETURNING id, n`,
    (): string => `DELETE FROM l WHERE ${where()}`,
    (): string => `DELETE FROM o WHERE ${where()}`,
  ])();
}
