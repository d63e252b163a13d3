/**
 * The victim of `database-crash.test.ts`: two copies of a stripe over the embedded log. Says on its output what it tries and what was
 * acknowledged. Usage: `node database-crash-node.ts FOLDER FIRST ENTRIES CRASH_POINT`, without the last one it ends by itself.
 */
import { writeSync } from 'node:fs';
import { type CrashPoint, setCrashHook, type Stripe, Together } from '../src/database/database.ts';
import { run, startDatabase } from '../testing/database-kit.ts';

const [folder = '', first = '', entries = '', crashAt] = process.argv.slice(2);
const changes = crashAt === undefined ? {} : { crashAt };
const say = (line: string): void => void writeSync(1, `${line}\n`);

await using on = await startDatabase({ folder });
setCrashHook((point: CrashPoint) => {
  if (point === crashAt) process.kill(process.pid, 'SIGKILL');
});
const primary = await on.copy('n1', changes);
const mirror = await on.copy('n2', changes);
const second = await on.copy('n1', { ...changes, name: 's2' });
for (const stripe of [primary, second]) {
  const replaces = (await on.log.primary(stripe.name))?.epoch;
  if (!(await stripe.lead(replaces === undefined ? {} : { replaces }))) {
    throw new Error('another one leads');
  }
}
let next = Number(first);
if (next === 1) {
  await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)');
  await run(primary, 'CREATE TABLE both (id INTEGER PRIMARY KEY)');
  await run(second, 'CREATE TABLE both (id INTEGER PRIMARY KEY)');
}
await insert(primary, Number(entries));
say(`try c${next}`);
await run(primary, `ALTER TABLE t ADD COLUMN c${next}`);
say(`ack c${next}`);
await insertBoth(`b${next}`);
await insert(primary, 3);
await mirror.catchUp();
await primary.snapshot(4);
await insert(primary, 3);
await primary.release((replaces) => mirror.lead({ replaces }));
await insert(mirror, 3);

async function insertBoth(name: string): Promise<void> {
  say(`try ${name}`);
  const together = await Together.begin(on.log, [second, primary]);
  const statement = { sql: 'INSERT INTO both (id) VALUES (?)', args: [BigInt(name.slice(1))] };
  for (const stripe of ['s1', 's2']) await together.run(stripe, statement);
  await together.commit();
  say(`ack ${name}`);
}

async function insert(stripe: Stripe, count: number): Promise<void> {
  for (let left = count; left > 0; left--, next++) {
    say(`try ${next}`);
    await run(stripe, 'INSERT INTO t (id, v) VALUES (?, ?)', BigInt(next), 'x'.repeat(next % 2000));
    say(`ack ${next}`);
  }
}
