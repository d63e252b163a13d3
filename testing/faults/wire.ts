/**
 * Stripes over TCP for the fault runs: frames of a length and what `v8.serialize` makes of a message. The server's end holds a
 * transaction until its connection ends.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';
import { randomId } from '../../src/base/ids.ts';
import { MolnError, type ErrorBody } from '../../src/base/errors.ts';
import type {
  Loan,
  Share,
  StatementResult,
  Stripe,
  StripeClient,
  StripeTransaction,
  StripeView,
} from '../../src/database/database.ts';
import { failureOfError } from '../database-nodes.ts';

export interface WireRequest {
  readonly id: number;
  readonly stripe: string;
  readonly method:
    | 'execute'
    | 'query'
    | 'begin'
    | 'view'
    | 'runAll'
    | 'commit'
    | 'rollBack'
    | 'prepare'
    | 'settle'
    | 'look'
    | 'lend'
    | 'recalled'
    | 'close';
  /** Of an open transaction or view. */
  readonly handle?: string;
  readonly args: readonly unknown[];
}

export type WireReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: ErrorBody };

const LENGTH_BYTES = 4;

export function send(socket: Socket, message: WireRequest | WireReply): void {
  const body = serialize(message);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(body.length);
  if (socket.writable) socket.write(Buffer.concat([length, body]));
}

export function receive(socket: Socket, each: (message: unknown) => void): void {
  let pending = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    pending = Buffer.concat([pending, data]);
    while (pending.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + pending.readUInt32BE(0);
      if (pending.length < end) return;
      each(deserialize(pending.subarray(LENGTH_BYTES, end)));
      pending = pending.subarray(end);
    }
  });
}

/** Calls back what was lent to the copy that answers there. */
type RecallFrom = (borrower: string, stripe: string, loan: Loan) => Promise<unknown>;

/** Resolves to the port. */
export async function serve(
  stripes: ReadonlyMap<string, Stripe>,
  port: number,
  recall: RecallFrom,
): Promise<Server> {
  const server = createServer((socket) => {
    const session = new Session(stripes, recall);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => void session.end());
    receive(socket, (message) => {
      const request = message as WireRequest;
      session.answer(request).then(
        (value) => send(socket, { id: request.id, value }),
        (error: unknown) => send(socket, { id: request.id, error: failureOfError(error) }),
      );
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

interface Open {
  readonly transaction?: StripeTransaction;
  readonly view?: StripeView;
}

class Session {
  readonly #stripes: ReadonlyMap<string, Stripe>;
  readonly #recall: RecallFrom;
  readonly #open = new Map<string, Open>();
  #ended = false;

  constructor(stripes: ReadonlyMap<string, Stripe>, recall: RecallFrom) {
    this.#stripes = stripes;
    this.#recall = recall;
  }

  async end(): Promise<void> {
    this.#ended = true;
    for (const { transaction, view } of this.#open.values()) {
      await view?.[Symbol.asyncDispose]();
      await transaction?.rollBack();
    }
  }

  async answer({ stripe, method, handle, args }: WireRequest): Promise<unknown> {
    const client = this.#stripes.get(stripe);
    if (client === undefined) throw new Error(`Stripe "${stripe}" is not here`);
    switch (method) {
      case 'execute':
        return await client.execute(...(args as Parameters<StripeClient['execute']>));
      case 'query':
        return await client.query(...(args as Parameters<StripeClient['query']>));
      case 'begin': {
        const transaction = await client.begin();
        const { schemaVersion } = transaction;
        return { handle: await this.#keep({ transaction }), schemaVersion };
      }
      case 'view': {
        const view = await client.view();
        const { index, schemaVersion, epoch, head } = view;
        const handle = await this.#keep({ view });
        return { handle, index, schemaVersion, epoch, head };
      }
      case 'lend': {
        const [borrower] = args as [string];
        return client.logEnd.lend(borrower, (loan) => this.#recall(borrower, stripe, loan));
      }
      case 'recalled':
        return client.logEnd.recalled(args[0] as Loan);
      default:
        return await this.#onOpen(method, handle ?? '', args);
    }
  }

  async #keep(open: Open): Promise<string> {
    // Nobody else's, also on the connection after this one.
    const handle = randomId();
    this.#open.set(handle, open);
    if (this.#ended) await this.end();
    return handle;
  }

  async #onOpen(
    method: WireRequest['method'],
    handle: string,
    args: readonly unknown[],
  ): Promise<unknown> {
    const open = this.#open.get(handle);
    if (open === undefined && method !== 'rollBack' && method !== 'close')
      throw lost('what was begun ended with its connection');
    const { transaction, view } = open ?? {};
    switch (method) {
      case 'runAll':
        return await transaction?.runAll(...(args as Parameters<StripeTransaction['runAll']>));
      case 'commit':
        return await transaction?.commit();
      case 'rollBack':
        this.#open.delete(handle);
        return await transaction?.rollBack();
      case 'prepare':
        return await transaction?.prepare();
      case 'settle':
        return await transaction?.settle(...(args as Parameters<StripeTransaction['settle']>));
      case 'look':
        return await view?.query(...(args as Parameters<StripeView['query']>));
      default:
        this.#open.delete(handle);
        return await view?.[Symbol.asyncDispose]();
    }
  }
}

/** The answer did not come. */
export function lost(why: string): MolnError {
  return new MolnError('DATABASE_OUTCOME_UNKNOWN', `No answer from a stripe: ${why}`);
}

/** One connection, made when it is needed. */
export class WireConnection {
  readonly #port: number;
  readonly #patienceMs: number;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #socket: Socket | undefined;
  #next = 0;

  constructor(port: number, patienceMs: number) {
    this.#port = port;
    this.#patienceMs = patienceMs;
  }

  async call(request: Omit<WireRequest, 'id'>): Promise<unknown> {
    const id = this.#next++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    const timer = setTimeout(() => waiting.reject(lost('it took too long')), this.#patienceMs);
    send(this.#connected(), { ...request, id });
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  close(): void {
    this.#socket?.destroy();
  }

  #connected(): Socket {
    if (this.#socket !== undefined) return this.#socket;
    const socket = connect(this.#port, '127.0.0.1');
    this.#socket = socket;
    socket.setNoDelay(true);
    receive(socket, (message) => {
      const reply = message as WireReply;
      const waiting = this.#waiting.get(reply.id);
      if ('error' in reply) waiting?.reject(MolnError.from(reply.error));
      else waiting?.resolve(reply.value);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined;
      for (const { reject } of this.#waiting.values()) reject(lost('the connection ended'));
    });
    return socket;
  }
}

/** A stripe behind a connection. `connection` gives that to its primary, or to a copy. */
export class WireStripe implements StripeClient {
  readonly name: string;
  readonly #connection: () => Promise<WireConnection>;

  constructor(name: string, connection: () => Promise<WireConnection>) {
    this.name = name;
    this.#connection = connection;
  }

  async execute(...args: Parameters<StripeClient['execute']>): ReturnType<StripeClient['execute']> {
    return (await this.#call('execute', args)) as Awaited<ReturnType<StripeClient['execute']>>;
  }

  async query(...args: Parameters<StripeClient['query']>): ReturnType<StripeClient['query']> {
    return (await this.#call('query', args)) as Awaited<ReturnType<StripeClient['query']>>;
  }

  async begin(): Promise<StripeTransaction> {
    const connection = await this.#connection();
    const stripe = this.name;
    const begun = await connection.call({ stripe, method: 'begin', args: [] });
    const { handle, schemaVersion } = begun as { handle: string; schemaVersion: number };
    const call = async (
      method: WireRequest['method'],
      ...args: readonly unknown[]
    ): Promise<unknown> => await connection.call({ stripe, method, handle, args });
    const runAll: StripeTransaction['runAll'] = async (steps) =>
      (await call('runAll', steps)) as readonly StatementResult[];
    return {
      schemaVersion,
      runAll,
      run: async (statement) => {
        const [result] = await runAll([statement]);
        if (result === undefined) throw new Error('A statement has no result');
        return result;
      },
      commit: async () => (await call('commit')) as number,
      rollBack: async () => void (await call('rollBack')),
      prepare: async () => (await call('prepare')) as Share,
      // As a careless network would deliver it: twice.
      settle: async (outcome) => {
        const [answer] = await Promise.all([call('settle', outcome), call('settle', outcome)]);
        return answer as Awaited<ReturnType<StripeTransaction['settle']>>;
      },
    };
  }

  async view(): Promise<StripeView> {
    const connection = await this.#connection();
    const stripe = this.name;
    const opened = (await connection.call({ stripe, method: 'view', args: [] })) as Pick<
      StripeView,
      'index' | 'schemaVersion' | 'epoch' | 'head'
    > & { readonly handle: string };
    const { handle } = opened;
    return {
      ...opened,
      query: async (statement) =>
        (await connection.call({ stripe, method: 'look', handle, args: [statement] })) as Awaited<
          ReturnType<StripeView['query']>
        >,
      [Symbol.asyncDispose]: async () =>
        void (await connection.call({ stripe, method: 'close', handle, args: [] })),
    };
  }

  async #call(method: 'execute' | 'query', args: readonly unknown[]): Promise<unknown> {
    const connection = await this.#connection();
    return await connection.call({ stripe: this.name, method, args });
  }
}
