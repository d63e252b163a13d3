/** The planner by itself, on stripes in memory: what a statement costs beside what SQLite alone takes for it. */
import { Planner, type SqlRow } from '../src/planner/planner.ts';
import { MemoryDatabase } from '../src/sqlite/sqlite.ts';
import { MemoryStripes } from '../testing/memory-stripes.ts';

const STRIPES = 4;
const ROWS = 2000;
const SECONDS = 2;

const SCHEMA = 'CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, amount INTEGER)';

const CASES: readonly (readonly [string, string, (at: number) => SqlRow])[] = [
  ['point read', 'SELECT * FROM t WHERE id = ?', (at) => [BigInt(at % ROWS)]],
  ['scatter sum', 'SELECT name, sum(amount) FROM t GROUP BY name', () => []],
  ['scatter top 5', 'SELECT id, amount FROM t ORDER BY amount DESC, id LIMIT 5', () => []],
  ['insert', 'INSERT INTO t(id, name, amount) VALUES (?, ?, 7)', (at) => [BigInt(1e9 + at), 'n']],
  ['update by key', 'UPDATE t SET amount = amount + 1 WHERE id = ?', (at) => [BigInt(at % ROWS)]],
];

export async function benchPlanner(): Promise<void> {
  using stripes = new MemoryStripes(STRIPES);
  using planner = new Planner(stripes);
  using plain = new MemoryDatabase();
  const connection = planner.connect();
  await connection.execute(SCHEMA);
  plain.exec(SCHEMA);
  const fill = 'INSERT INTO t VALUES (?, ?, ?)';
  for (let id = 0; id < ROWS; id += 1) {
    const row = [BigInt(id), `name ${id % 20}`, BigInt((id * 7919) % 1000)];
    await connection.execute(fill, row);
    plain.keep(fill).run(row);
  }
  console.log(
    `\nµs of CPU a statement, ${STRIPES} stripes, ${ROWS} rows   planned    SQLite  overhead`,
  );
  for (const [name, sql, values] of CASES) {
    const planned = await cost(async (at) => void (await connection.execute(sql, values(at))));
    const alone = await cost((at) => void plain.keep(sql).all(values(at + 1_000_000)));
    console.log(
      `${name.padEnd(44)} ${planned.toFixed(1).padStart(10)} ${alone.toFixed(1).padStart(9)} ${(planned - alone).toFixed(1).padStart(9)}`,
    );
  }
}

async function cost(run: (at: number) => Promise<void> | void): Promise<number> {
  const start = process.cpuUsage();
  const end = performance.now() + SECONDS * 1000;
  let count = 0;
  while (performance.now() < end) await run((count += 1));
  const { user, system } = process.cpuUsage(start);
  return (user + system) / count;
}
