/**
 * The way back: a cluster works only if its nodes reach the new one, so a joiner listens on its port while it joins and
 * answers with a word that it has told the manager; nobody else who listens there knows it.
 */
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { messageOf, systemCode } from '../base/errors.ts';
import { withDeadline } from '../base/time.ts';
import { bindTcp, hostAndPort } from '../net/net.ts';
import { REACH_TIMEOUT_MS } from './limits.ts';

const ANSWER_BYTES_MAX = 128;
const CONNECTIONS_MAX = 64;

/** Answers every connection with the word until it is disposed of. Throws `NET_PORT_TAKEN`. */
export async function answerReach(options: {
  readonly address: string;
  readonly port: number;
  readonly nonce: string;
}): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(`${options.nonce}\n`);
    // Unread, the other side's end would not be seen, and the port would stay in use.
    socket.resume();
    socket.setTimeout(REACH_TIMEOUT_MS, () => socket.destroy());
  });
  server.maxConnections = CONNECTIONS_MAX;
  await bindTcp(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
      }),
  };
}

/** Undefined when the joiner answers there, else why not, in words. */
export async function reach(
  where: { readonly address: string; readonly port: number },
  nonce: string,
): Promise<string | undefined> {
  try {
    const text = await withDeadline(
      REACH_TIMEOUT_MS,
      () => new Error('no answer'),
      (signal) => firstLine(where, signal),
    );
    return text === nonce ? undefined : `another program answers at ${hostAndPort(where)}`;
  } catch (error) {
    return REASONS[systemCode(error) ?? ''] ?? messageOf(error);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no way to that machine',
  ENETUNREACH: 'no way to that network',
  ENOTFOUND: 'no such name',
};

function firstLine(
  where: { readonly address: string; readonly port: number },
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: where.address, port: where.port });
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length <= ANSWER_BYTES_MAX && !text.includes('\n')) return;
      socket.destroy();
      resolve(text.split('\n')[0] ?? '');
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
  });
}
