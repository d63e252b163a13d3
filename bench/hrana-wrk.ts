/**
 * Inserts over HTTP by `wrk`: a client in C, as those of other databases are. It sends the same text with the same values again and again, as they do, and
 * reads nothing of an answer but its status; so the rows are counted afterwards.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { InsertLoad } from './database-peers.ts';
import type { Served } from './database-process.ts';
import { output } from './peer-programs.ts';

const WARM_SECONDS = 1;
const SETTLE_MS = 200;
const STATEMENT = {
  sql: 'INSERT INTO item (name, n) VALUES (?, ?)',
  args: [
    { type: 'text', value: 'name 123456' },
    { type: 'integer', value: '123456' },
  ],
};

/** Into the table `item (id, name, n)`, over the port for apps. `folder` takes the program's script. Inserts a second. */
export async function insertByWrk(
  { database, ports, token }: Served,
  folder: string,
  { clients, seconds }: InsertLoad,
): Promise<number> {
  const script = join(folder, 'insert.lua');
  const body = JSON.stringify({
    requests: [{ type: 'execute', stmt: STATEMENT }, { type: 'close' }],
  });
  const lines = [
    'wrk.method = "POST"',
    'wrk.headers["content-type"] = "application/json"',
    `wrk.headers["authorization"] = "Bearer ${token}"`,
    `wrk.body = [[${body}]]`,
  ];
  await writeFile(script, lines.join('\n'));
  const url = `http://127.0.0.1:${ports.port.port}/db/bench/v2/pipeline`;
  const run = (forSeconds: number): Promise<string> =>
    output({
      program: 'wrk',
      args: ['-t1', `-c${clients}`, `-d${forSeconds}s`, '-s', script, url],
    });
  await run(WARM_SECONDS);
  const rows = async (): Promise<number> => {
    const { rows: all } = await database.run({ sql: 'SELECT count(*) AS n FROM item', args: [] });
    return Number(all[0]?.['n']);
  };
  // Those of the warming that were under way at its end are not the run's.
  await setTimeout(SETTLE_MS);
  const before = await rows();
  const said = await run(seconds);
  const answered = Number(/(\d+) requests in/.exec(said)?.[1]);
  const inserted = (await rows()) - before;
  // Those that were under way at the end are rows too.
  const isWhole = answered <= inserted && inserted <= answered + clients;
  if (!isWhole || /Socket errors|Non-2xx/.test(said)) {
    throw new Error(`${inserted} rows for ${answered} answers of wrk:\n${said}`);
  }
  return Number(/Requests\/sec:\s*([\d.]+)/.exec(said)?.[1]);
}
