/**
 * Answers HAProxy's agent-check: a balancer of somebody else's connects, reads one line and knows how much this machine can take. What
 * our own balancers read is `balancing/agent-line.ts`.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { GATEWAY_LISTEN_FAILED } from './errors.ts';

/** Who has one may read on; each is served in a moment. */
const CONNECTIONS_MAX = 256;
const LINGER_MS = 2000;
/** An agent that says 0 % is asked no more, however little others have left. */
const SHARE_LEAST = 0.01;

export interface AgentState {
  /** `leaving`: what is kept here may finish, nothing new should come. */
  readonly state: 'ready' | 'leaving' | 'down';
  /** Share of the machine that is in use, 0 to 1. */
  readonly busy: number;
  /** Connections that the balancer may have here; undefined: it decides. */
  readonly connectionsMax?: number | undefined;
}

/** One line of HAProxy 1.7 and later. `ready` takes back a `drain` of before. */
export function agentAnswer({ state, busy, connectionsMax }: AgentState): string {
  if (state === 'down') return 'down #no gateway process serves\n';
  if (state === 'leaving') return 'up drain\n';
  const left = Math.round(Math.min(1, Math.max(SHARE_LEAST, 1 - busy)) * 100);
  const most = connectionsMax === undefined ? '' : ` maxconn:${connectionsMax}`;
  return `up ready ${left}%${most}\n`;
}

export interface AgentPortOptions {
  readonly address: string;
  readonly port: number;
  readonly state: () => AgentState;
  readonly log: Logger;
}

export class AgentPort implements AsyncDisposable {
  readonly #options: AgentPortOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(options: AgentPortOptions) {
    this.#options = options;
  }

  /** Throws `GATEWAY_LISTEN_FAILED`. */
  async open(): Promise<void> {
    const { address, port, log } = this.#options;
    const server = createServer((socket) => this.#answer(socket));
    server.maxConnections = CONNECTIONS_MAX;
    try {
      server.listen({ host: address, port, exclusive: true });
      await once(server, 'listening');
    } catch (error) {
      const what = `Cannot answer agent-checks on port ${port} of ${address}: ${messageOf(error)}`;
      throw new MolnError(GATEWAY_LISTEN_FAILED, what, {
        hint: 'Choose another port for it',
        cause: error,
      });
    }
    server.on('error', (error) => log.warn('The port for agent-checks failed', { error }));
    this.#server = server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(server, 'close');
  }

  #answer(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // HAProxy resets when it has read its line.
    socket.on('error', () => socket.destroy());
    socket.setTimeout(LINGER_MS, () => socket.destroy());
    // HAProxy may send a line of its own (agent-send).
    socket.resume();
    socket.end(agentAnswer(this.#options.state()));
  }
}
