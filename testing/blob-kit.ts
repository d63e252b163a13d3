/** Storage nodes for tests: real folders, in a temporary place. */
import { type AddressInfo, connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../src/base/log.ts';
import { type Clock, systemClock } from '../src/base/time.ts';
import {
  type BackendOptions,
  type BlobCall,
  blobHandler,
  BlobServer,
  FarBlobs,
  type HttpBlobCall,
  httpBlobCall,
  LocalBlobs,
  makeTicket,
  type ScrubSettings,
  ticketCheck,
  type TicketClaim,
} from '../src/blobs/blobs.ts';

export const GIB: number = 1024 ** 3;

export interface BlobNodeOptions {
  /** Default: one, with a limit of 10 GiB. */
  readonly backends?: readonly Omit<BackendOptions, 'path'>[];
  /** Used and not removed; default: one for each back end, removed in the end. */
  readonly folders?: readonly string[];
  readonly clock?: Clock;
  readonly scrub?: ScrubSettings;
}

export class BlobNode implements AsyncDisposable {
  readonly folders: readonly string[];
  readonly #options: BlobNodeOptions;
  readonly #root: string;
  #store: LocalBlobs | undefined;

  private constructor(options: BlobNodeOptions) {
    this.#options = options;
    this.#root = mkdtempSync(join(tmpdir(), 'moln-blobs-'));
    const count = options.backends?.length ?? 1;
    this.folders =
      options.folders ?? Array.from({ length: count }, (_, i) => join(this.#root, `disk${i}`));
  }

  static async start(options: BlobNodeOptions = {}): Promise<BlobNode> {
    const node = new BlobNode(options);
    await node.open();
    return node;
  }

  get store(): LocalBlobs {
    if (this.#store === undefined) throw new Error('The storage node is closed');
    return this.#store;
  }

  get folder(): string {
    return this.folders[0] ?? '';
  }

  /** Again, as after a restart. */
  async open(changes: Omit<BackendOptions, 'path'> = { create: true }): Promise<LocalBlobs> {
    const settings = this.#options.backends ?? [{ limitBytes: 10 * GIB }];
    const clock = this.#options.clock ?? systemClock;
    this.#store = await LocalBlobs.open({
      backends: this.folders.map((path, i) => ({ ...settings[i], ...changes, path })),
      nodeId: 'n1',
      clock,
      log: createLogger({ part: 'blobs', sinks: [], now: () => clock.now() }),
      ...(this.#options.scrub === undefined ? {} : { scrub: this.#options.scrub }),
    });
    return this.#store;
  }

  async close(): Promise<void> {
    await this.#store?.[Symbol.asyncDispose]();
    this.#store = undefined;
  }

  async reopen(changes: Omit<BackendOptions, 'path'> = {}): Promise<LocalBlobs> {
    await this.close();
    return await this.open(changes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    rmSync(this.#root, { recursive: true, force: true });
  }
}

export interface ServedBlobsOptions {
  /** Default `n1`. */
  readonly name?: string;
  readonly peer?: (node: string) => BlobCall;
}

const KEY = Buffer.alloc(32, 7);

/** A storage node behind a real socket, and a client of it. */
export class ServedBlobs implements AsyncDisposable {
  readonly #node: BlobNode;
  readonly #server: BlobServer;
  readonly #http: HttpBlobCall;
  readonly #name: string;
  readonly port: number;
  readonly store: FarBlobs;

  private constructor(node: BlobNode, server: BlobServer, name: string) {
    this.#node = node;
    this.#server = server;
    this.#name = name;
    this.port = (server.address() as AddressInfo).port;
    this.#http = httpBlobCall({ connect: () => connected(this.port) });
    this.store = this.with((claim) => this.ticket(claim));
  }

  static async start(options: ServedBlobsOptions = {}): Promise<ServedBlobs> {
    const { name = 'n1', peer } = options;
    const node = await BlobNode.start();
    const log = createLogger({ part: 'blobs', sinks: [], now: () => systemClock.now() });
    const checkTicket = ticketCheck({ keys: () => [KEY], node: name, clock: systemClock });
    const handler = blobHandler({
      store: node.store,
      checkTicket,
      log,
      ...(peer === undefined ? {} : { peer }),
    });
    const { put } = handler;
    const server = new BlobServer({ put, clock: systemClock, log });
    server.on('request', (request, response) => void handler.answer(request, response));
    server.on('checkContinue', (request, response) => void handler.answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ServedBlobs(node, server, name);
  }

  get near(): LocalBlobs {
    return this.#node.store;
  }

  get folder(): string {
    return this.#node.folder;
  }

  get call(): BlobCall {
    return this.#http.call;
  }

  ticket(claim: TicketClaim, forMs = 60_000, node: string = this.#name): string {
    return makeTicket(KEY, { ...claim, node, expiresAt: systemClock.now() + forMs });
  }

  /** A client with tickets of its own. */
  with(ticket: (claim: TicketClaim) => string): FarBlobs {
    return new FarBlobs({ call: this.call, ticket });
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http[Symbol.dispose]();
    await this.stop();
    await this.#node[Symbol.asyncDispose]();
  }
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}
