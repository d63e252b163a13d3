/** Which of Moln's usual ports are free on this machine, and who has the others. */
import { portUse } from '../net/net.ts';
import type { Finding } from './checks.ts';
import { findProcesses } from './processes.ts';

const USUAL_PORTS: readonly UsualPort[] = [
  { port: 8080, use: 'gateway, HTTP', option: '--http' },
  { port: 8443, use: 'gateway, HTTPS', option: '--https' },
  { port: 7420, use: 'API and console', option: '--port' },
  { port: 7430, use: 'files over S3', option: '--s3-port' },
  { port: 7431, use: 'files over WebDAV', option: '--webdav-port' },
];

interface UsualPort {
  readonly port: number;
  readonly use: string;
  /** Of `moln up`, to choose another. */
  readonly option: string;
}

export function checkPorts(dataFolder: string): readonly Finding[] {
  const ours = new Set(findProcesses(dataFolder).map(({ id }) => id.pid));
  return USUAL_PORTS.map((usual) => checkPort(usual, ours));
}

/** A port that one of `ours`, this data folder's own processes, holds is fine. */
export function checkPort({ port, use, option }: UsualPort, ours: ReadonlySet<number>): Finding {
  const name = `Port ${port}`;
  const { found, holders } = portUse(port, '0.0.0.0');
  if (found === 0) return { name, verdict: 'ok', sentence: `free (${use})`, fix: undefined };
  if (holders.some(({ pid }) => ours.has(pid))) {
    return { name, verdict: 'ok', sentence: `held by this node (${use})`, fix: undefined };
  }
  const [first] = holders;
  const who =
    first === undefined ? "another user's program" : `process ${first.pid} (${first.program})`;
  return {
    name,
    verdict: 'warn',
    sentence: `taken by ${who} (${use})`,
    fix: `Stop that program, or choose another port with "moln up ${option} PORT"`,
  };
}
