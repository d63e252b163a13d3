/** What a stripe costs that nobody uses: memory of the process that a node runs, with one stripe and with many. */
import { serve, type Served } from './database-process.ts';
import { type Memory, memoryOf, mib } from './tools.ts';
import { setTimeout as pause } from 'node:timers/promises';

const STRIPES = [1, 17] as const;
const IDLE_SECONDS = 8;

export async function benchDatabaseMemory(): Promise<void> {
  const found: Memory[] = [];
  for (const stripes of STRIPES) {
    await using served = await serve({ stripes });
    await use(served);
    await pause(IDLE_SECONDS * 1000);
    const memory = memoryOf(served.pid);
    found.push(memory);
    console.log(
      `${String(stripes).padStart(3)} stripes, idle: resident ${mib(memory.rssBytes)} MiB, of them ${mib(memory.pssBytes)} MiB proportionally`,
    );
  }
  const [one, many] = found;
  if (one === undefined || many === undefined) return;
  const more = STRIPES[1] - STRIPES[0];
  console.log(`each stripe more: ${mib((many.rssBytes - one.rssBytes) / more)} MiB resident`);
}

/** All stripes have been written and read. */
async function use({ database }: Served): Promise<void> {
  await database.script('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
  await database.script(
    "INSERT INTO item WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1000) SELECT i, 'item ' || i FROM c",
  );
  await database.run({ sql: 'SELECT count(*) FROM item', args: [] });
}
