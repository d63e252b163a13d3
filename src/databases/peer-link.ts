/**
 * This process's connections to those of other nodes: TLS to the gateways' door there, which leads the bytes to the process's socket.
 * Made when it is needed and again after it broke; nothing is repeated by itself.
 */
import { messageOf, MolnError } from '../base/errors.ts';
import { type Clock, withDeadline } from '../base/time.ts';
import { errorOf } from '../database/database.ts';
import { openNodeDoor } from '../net/net.ts';
import type { PeerAccess } from './control.ts';
import { PEER_CONNECT_MS, PEER_PING_MS, PEER_SILENT_MS } from './limits.ts';
import { PeerFrames, type PeerReply, type PeerRequest } from './peer-wire.ts';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Connection {
  readonly frames: PeerFrames<PeerReply, PeerRequest>;
  readonly waiting: Map<number, Waiting>;
}

/** Nobody waits for its answer. */
const PING: PeerRequest = { id: -1, call: 'ping', args: [] };

export class PeerLinks implements Disposable {
  readonly #clock: Clock;
  readonly #open = new Map<string, Promise<Connection>>();
  /** Whose end makes room for a new connection. */
  readonly #current = new Map<string, PeerFrames<PeerReply, PeerRequest>>();
  #access: PeerAccess | undefined;
  #next = 0;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /** New connections use these credentials; connections to nodes that are not there any more are cut. */
  configure(access: PeerAccess | undefined): void {
    this.#access = access;
    for (const [node, connection] of this.#open) {
      if (access?.nodes.some(({ id }) => id === node) === true) continue;
      this.#open.delete(node);
      connection.then(({ frames }) => frames.destroy()).catch(() => undefined);
    }
  }

  /** Whether there is such a node, as far as is known here yet. */
  knows(node: string): boolean {
    return this.#access?.nodes.some(({ id }) => id === node) === true;
  }

  /**
   * Throws what the other side threw; `DATABASES_PEER_AWAY` when it was not reached, so that nothing was done; and
   * `DATABASES_PEER_LOST` when the connection broke before the answer.
   */
  async call(node: string, call: string, ...args: readonly unknown[]): Promise<unknown> {
    const { frames, waiting } = await this.#connection(node);
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    waiting.set(id, { resolve, reject });
    frames.send({ id, call, args });
    return await promise;
  }

  [Symbol.dispose](): void {
    this.configure(undefined);
  }

  async #connection(node: string): Promise<Connection> {
    const made = this.#open.get(node) ?? this.#connect(node);
    this.#open.set(node, made);
    // Several may wait for it, and all are told the same.
    try {
      return await made;
    } catch (error) {
      if (this.#open.get(node) === made) this.#open.delete(node);
      throw peerAway(node, messageOf(error));
    }
  }

  async #connect(node: string): Promise<Connection> {
    const access = this.#access;
    const place = access?.nodes.find(({ id }) => id === node);
    if (access === undefined || place === undefined) throw new Error('no such node is known');
    const late = (): Error => new Error(`no answer within ${PEER_CONNECT_MS} ms`);
    const socket = await withDeadline(PEER_CONNECT_MS, late, (signal) =>
      openNodeDoor(access, place, '@databases', signal),
    );
    const waiting = new Map<number, Waiting>();
    const clock = this.#clock;
    let heardMs = clock.monotonicMs();
    let isAsked = false;
    // A machine that has lost its power says no good-bye.
    const pings = clock.every(PEER_PING_MS, () => {
      const silentMs = clock.monotonicMs() - heardMs;
      if (waiting.size === 0 || silentMs < PEER_PING_MS) isAsked = false;
      else if (!isAsked) {
        isAsked = true;
        heardMs = clock.monotonicMs();
        frames.send(PING);
      } else if (silentMs >= PEER_SILENT_MS) frames.destroy();
    });
    const frames: PeerFrames<PeerReply, PeerRequest> = new PeerFrames(socket, {
      message: (reply) => {
        heardMs = clock.monotonicMs();
        isAsked = false;
        const one = waiting.get(reply.id);
        waiting.delete(reply.id);
        if ('failure' in reply) one?.reject(errorOf(reply.failure));
        else one?.resolve(reply.value);
      },
      close: (why) => {
        pings[Symbol.dispose]();
        if (this.#current.get(node) === frames) this.#open.delete(node);
        for (const { reject } of waiting.values()) reject(peerLost(node, why));
        waiting.clear();
      },
    });
    this.#current.set(node, frames);
    return { frames, waiting };
  }
}

function peerAway(node: string, why: string): MolnError {
  return new MolnError('DATABASES_PEER_AWAY', `The databases of node ${node} are away: ${why}`, {
    hint: 'Ask again; nothing was changed',
    retryable: true,
  });
}

function peerLost(node: string, why: string): MolnError {
  return new MolnError('DATABASES_PEER_LOST', `Node ${node} went away: ${why}`, {
    hint: 'Read again what was to be changed before you repeat it',
  });
}
