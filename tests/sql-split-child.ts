/** Splits a stripe of a bank under writes, and dies at a step of it. `node sql-split-child.ts FOLDER POINT TIMES`; prints `ack N`. */
import { mkdir } from 'node:fs/promises';
import { setCrashHook } from '../src/database/database.ts';
import { ACCOUNTS, openSplitBank, SPLIT } from '../testing/split-kit.ts';
import { ask } from '../testing/sql-kit.ts';

const [folder = '', point = '', times = '1'] = process.argv.slice(2);
const die = (): void => process.kill(process.pid, 'SIGKILL') as unknown as void;

await mkdir(folder, { recursive: true });
const { engine } = await openSplitBank(folder);
const session = await engine.openSession({ id: 'writer', readOnly: false });
const values = Array.from({ length: ACCOUNTS }, (_, at) => `(${at + 1}, 100)`).join(', ');
for (const sql of [
  'CREATE TABLE account (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL)',
  'CREATE TABLE done (n INTEGER PRIMARY KEY)',
  'CREATE TABLE rate (code TEXT PRIMARY KEY, value REAL) /* moln: reference */',
  "INSERT INTO rate VALUES ('EUR', 1)",
  `INSERT INTO account VALUES ${values}`,
])
  await ask(session, sql);

const writing = (async () => {
  for (let n = 1; ; n++) {
    const [from, to] = [BigInt(1 + ((n * 7) % ACCOUNTS)), BigInt(1 + ((n * 11 + 5) % ACCOUNTS))];
    const sql = 'UPDATE account SET cents = cents + iif(id = ?1, -1, 1) WHERE id IN (?1, ?2)';
    if (from !== to) await ask(session, sql, from, to);
    await ask(session, 'INSERT INTO done VALUES (?)', BigInt(n));
    process.stdout.write(`ack ${n}\n`);
  }
})();
writing.catch((error: unknown) => {
  process.stderr.write(String(error));
  process.exit(2);
});
let seen = 0;
const splitter = engine.splitter((step) => {
  if (step !== 'copied' || ++seen !== Number(times)) return;
  if (point === 'copied') die();
  // All stripes are held: the next append is that of the split.
  setCrashHook((at) => {
    if (at === point) die();
  });
});
await splitter.run(SPLIT, AbortSignal.timeout(60_000));
process.exit(3);
