/** Asks an instance whether it is well: any answer below 500 on the health path counts. */
import { request } from 'node:http';
import { messageOf, systemCode } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type { InstanceAddress } from './model.ts';
import { PROBE_STALL_MS, PROBE_TIMEOUT_MS } from './run-limits.ts';
import { listenerUids } from './tcp-listeners.ts';

export type ProbeResult =
  | { readonly kind: 'answered'; readonly status: number; readonly address: InstanceAddress }
  /** `nobody listens` is told apart: during a start it only means "not yet". */
  /** The agent itself was held up: nothing is known. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'silent'; readonly listens: boolean; readonly problem: string };

export interface ProbeTarget {
  /** Undefined while there is none. */
  readonly socket: string | undefined;
  readonly port: number;
  readonly path: string;
  readonly host: string;
  /** Whoever listens on the port has to be this user; undefined where apps have no uid of their own. */
  readonly uid: number | undefined;
  readonly clock: Clock;
}

/** Asks the socket first, then the port; whichever answers is the instance's address. */
export async function probe(target: ProbeTarget, signal: AbortSignal): Promise<ProbeResult> {
  const tcp: InstanceAddress = { kind: 'tcp', host: '127.0.0.1', port: target.port };
  if (target.socket !== undefined) {
    const first = await ask({ kind: 'socket', path: target.socket }, target, signal);
    if (first.kind !== 'silent' || first.listens) return first;
  }
  const owners = target.uid === undefined ? undefined : listenerUids(target.port);
  if (owners !== undefined && [...owners].some((owner) => owner !== target.uid)) {
    // Another app may have taken the port to be taken for this one.
    const problem = `found port ${target.port} taken by another program`;
    return { kind: 'silent', listens: false, problem };
  }
  const second = await ask(tcp, target, signal);
  if (second.kind !== 'silent' || second.listens) return second;
  const problem = `did not listen on port ${target.port} or on LISTEN_SOCKET`;
  return { kind: 'silent', listens: false, problem };
}

/** The sentence for an unhealthy answer, or undefined for a healthy one. */
export function problemOfStatus(status: number, path: string): string | undefined {
  return status < 500 ? undefined : `answered ${status} on "${path}", want less than 500`;
}

function ask(
  address: InstanceAddress,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { clock } = target;
  const begun = clock.monotonicMs();
  const late = new AbortController();
  const timer = clock.after(PROBE_TIMEOUT_MS, () => late.abort());
  return new Promise<ProbeResult>((resolve) => {
    const outgoing = request(
      {
        ...(address.kind === 'socket'
          ? { socketPath: address.path }
          : { host: address.host, port: address.port }),
        path: target.path,
        method: 'GET',
        headers: { host: target.host, 'user-agent': 'moln-health', connection: 'close' },
        agent: false,
        signal: AbortSignal.any([signal, late.signal]),
      },
      (answer) => {
        // The head is enough; the body may be endless.
        answer.destroy();
        resolve({ kind: 'answered', status: answer.statusCode ?? 0, address });
      },
    );
    outgoing.on('error', (error) => {
      if (late.signal.aborted && clock.monotonicMs() - begun > PROBE_TIMEOUT_MS + PROBE_STALL_MS) {
        resolve({ kind: 'unknown' });
        return;
      }
      const code = systemCode(error);
      const listens = code !== 'ENOENT' && code !== 'ECONNREFUSED' && code !== 'EACCES';
      resolve({ kind: 'silent', listens, problem: problemOf(error, target.path) });
    });
    outgoing.end();
  }).finally(() => timer[Symbol.dispose]());
}

function problemOf(error: Error, path: string): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') {
    return `did not answer on "${path}" within ${PROBE_TIMEOUT_MS / 1000} s`;
  }
  return `closed the connection without an answer on "${path}" (${messageOf(error)})`;
}
