/** Which of Moln's usual ports are free on this machine, and who has the others. */
import { createServer } from 'node:net';
import { MolnError } from '../base/errors.ts';
import { bindTcp, describePortHolder } from '../net/net.ts';
import type { Finding } from './checks.ts';
import { findProcesses } from './processes.ts';

const USUAL_PORTS: readonly {
  readonly port: number;
  readonly use: string;
  readonly option: string;
}[] = [
  { port: 8080, use: 'gateway, HTTP', option: '--http' },
  { port: 8443, use: 'gateway, HTTPS', option: '--https' },
  { port: 7420, use: 'API and console', option: '--port' },
];

/** A port that this data folder's own node holds is fine. */
export async function checkPorts(dataFolder: string): Promise<readonly Finding[]> {
  const ours = new Set(findProcesses(dataFolder).map(({ id }) => `process ${id.pid} `));
  return Promise.all(
    USUAL_PORTS.map(async ({ port, use, option }): Promise<Finding> => {
      const name = `Port ${port}`;
      const taken = await whyTaken(port);
      if (taken === undefined) {
        return { name, verdict: 'ok', sentence: `free (${use})`, fix: undefined };
      }
      const holder = await describePortHolder(port);
      if (holder !== undefined && [...ours].some((own) => holder.startsWith(own))) {
        return { name, verdict: 'ok', sentence: `held by this node (${use})`, fix: undefined };
      }
      return {
        name,
        verdict: 'warn',
        sentence: `${taken} (${use})`,
        fix: `Stop that program, or choose another port with "moln up ${option} PORT"`,
      };
    }),
  );
}

/** Undefined when the port is free. */
async function whyTaken(port: number): Promise<string | undefined> {
  const server = createServer();
  try {
    await bindTcp(server, { address: '0.0.0.0', port });
    return undefined;
  } catch (error) {
    if (error instanceof MolnError) return error.message;
    throw error;
  } finally {
    server.close();
  }
}
