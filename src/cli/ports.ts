/** Which of Moln's usual ports are free on this machine, and who has the others. */
import { createServer } from 'node:net';
import { MolnError } from '../base/errors.ts';
import { bindTcp } from '../net/net.ts';
import type { Finding } from './checks.ts';
import { findProcesses } from './processes.ts';

const USUAL_PORTS: readonly UsualPort[] = [
  { port: 8080, use: 'gateway, HTTP', option: '--http' },
  { port: 8443, use: 'gateway, HTTPS', option: '--https' },
  { port: 7420, use: 'API and console', option: '--port' },
];

interface UsualPort {
  readonly port: number;
  readonly use: string;
  /** Of `moln up`, to choose another. */
  readonly option: string;
}

export async function checkPorts(dataFolder: string): Promise<readonly Finding[]> {
  const ours = new Set(findProcesses(dataFolder).map(({ id }) => id.pid));
  return Promise.all(USUAL_PORTS.map((usual) => checkPort(usual, ours)));
}

/** A port that one of `ours`, this data folder's own processes, holds is fine. */
export async function checkPort(
  { port, use, option }: UsualPort,
  ours: ReadonlySet<number>,
): Promise<Finding> {
  const name = `Port ${port}`;
  const taken = await whyTaken(port);
  if (taken === undefined)
    return { name, verdict: 'ok', sentence: `free (${use})`, fix: undefined };
  const holder = Number(/\bprocess (\d+)/.exec(taken)?.[1]);
  if (ours.has(holder)) {
    return { name, verdict: 'ok', sentence: `held by this node (${use})`, fix: undefined };
  }
  return {
    name,
    verdict: 'warn',
    sentence: `${taken.replace(/^Port \d+ on \S+ is /, '')} (${use})`,
    fix: `Stop that program, or choose another port with "moln up ${option} PORT"`,
  };
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
