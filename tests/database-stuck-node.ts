/** The victim of `database-stuck.test.ts`: begins a write that never ends. Usage: `node database-stuck-node.ts FOLDER batch|steps`. */
import { writeSync } from 'node:fs';
import { run, startDatabase } from '../testing/database-kit.ts';

const [folder = '', way = ''] = process.argv.slice(2);
await using on = await startDatabase({ folder });
const stripe = await on.copy('n1', { statementMs: 200 });
await stripe.lead();
await run(stripe, 'CREATE TABLE t (id INTEGER PRIMARY KEY)');
await run(stripe, 'INSERT INTO t VALUES (1)');
writeSync(1, 'acknowledged\n');
const sql =
  'INSERT INTO t WITH RECURSIVE c (x) AS (SELECT 2 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c WHERE x < 0';
if (way === 'batch') await stripe.execute([{ sql }]);
else await (await stripe.begin()).run({ sql });
