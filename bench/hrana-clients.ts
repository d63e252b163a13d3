/** Runs clients of a database in a process of their own (`hrana-load.ts`), and reads what they and their servers took of the CPU. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Load, Measured } from './hrana-load.ts';
import { cpuSeconds } from './tools.ts';

const CLIENT = fileURLToPath(new URL('./hrana-load.ts', import.meta.url));

export interface ClientRun {
  readonly measured: Measured;
  /** CPU seconds, the servers' as they were given; warming up is not in it. */
  readonly cpu: { readonly clients: number; readonly servers: readonly number[] };
}

/** `servers`: process ids. */
export async function runClients(load: Load, servers: readonly number[]): Promise<ClientRun> {
  const client = spawn(process.execPath, [CLIENT, JSON.stringify(load)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  const ended = once(client, 'exit');
  await lines.next();
  if (client.pid === undefined) throw new Error('The clients have no process');
  const pids = [client.pid, ...servers];
  const before = pids.map(cpuSeconds);
  const { value } = (await lines.next()) as { value?: string };
  const [clients = 0, ...rest] = pids.map((pid, at) => cpuSeconds(pid) - (before[at] ?? 0));
  client.stdin.end();
  await ended;
  if (value === undefined) throw new Error(`The clients failed: ${load.kind} at ${load.base}`);
  return { measured: JSON.parse(value) as Measured, cpu: { clients, servers: rest } };
}
