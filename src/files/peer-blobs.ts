/** Storages of other nodes, through their gateways' door, and what this node answers others. Each call has a ticket of the cluster's key. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { silentLogger } from '../base/log.ts';
import { type Clock, withDeadline } from '../base/time.ts';
import {
  BACKGROUND,
  type BlobCall,
  type BlobHandler,
  blobHandler,
  type BlobStore,
  CLASS_HEADER,
  FarBlobs,
  type HttpBlobCall,
  httpBlobCall,
  makeTicket,
  type PullSource,
  type PutAsked,
  ticketCheck,
  type Written,
} from '../blobs/blobs.ts';
import { openNodeDoor } from '../net/net.ts';
import type { FilesConfig } from './control.ts';
import { storageNotFound } from './errors.ts';
import { PEER_CONNECT_MS, PEER_IDLE_MS, TICKET_MS } from './limits.ts';
import { deriveKey } from './secrets.ts';

export interface PeerBlobsOptions {
  readonly clock: Clock;
  readonly config: () => FilesConfig | undefined;
}

/** For whom bytes are moved: what is not for clients goes after what is. */
export type Transfers = 'clients' | 'background';

/** The places of this node. */
export interface OwnPlaces {
  own(place: string, transfers: Transfers): BlobStore | undefined;
}

const PATH = /^\/p\/([^/]+)(\/.*)$/;
const TICKETS = 'tickets';

export class PeerBlobs implements Disposable {
  readonly #options: PeerBlobsOptions;
  /** By node. */
  readonly #calls = new Map<string, HttpBlobCall>();
  #ticketKey: { readonly of: string; readonly key: Uint8Array } | undefined;
  readonly #handlers = new WeakMap<BlobStore, BlobHandler>();

  constructor(options: PeerBlobsOptions) {
    this.#options = options;
  }

  far(node: string, place: string, transfers: Transfers): FarBlobs {
    const { clock } = this.#options;
    return new FarBlobs({
      call: this.#callTo(node, place),
      ticket: (claim) =>
        makeTicket(this.#key(), { ...claim, node: place, expiresAt: clock.now() + TICKET_MS }),
      isBackground: transfers === 'background',
    });
  }

  /** A ticket for another node, which fetches the blob from that place. */
  source(place: string, id: string): PullSource {
    const expiresAt = this.#options.clock.now() + TICKET_MS;
    const claim = { id, verb: 'read', maxBytes: 0, allocSeq: 0 } as const;
    return { node: place, ticket: makeTicket(this.#key(), { ...claim, node: place, expiresAt }) };
  }

  /** Throws `FILES_STORAGE_NOT_FOUND`. */
  async answer(
    places: OwnPlaces,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { handler, path } = this.#find(places, request.url ?? '', request.headers);
    request.url = path;
    await handler.answer(request, response);
  }

  /** One that was read past node:http. Throws `FILES_STORAGE_NOT_FOUND`. */
  async put(places: OwnPlaces, asked: PutAsked): Promise<Written> {
    const { handler, path } = this.#find(places, asked.path, asked.headers);
    return await handler.put({ ...asked, path });
  }

  [Symbol.dispose](): void {
    for (const call of this.#calls.values()) call[Symbol.dispose]();
    this.#calls.clear();
  }

  #find(
    places: OwnPlaces,
    url: string,
    headers: Readonly<Record<string, unknown>>,
  ): { readonly handler: BlobHandler; readonly path: string } {
    const [, name = '', path = ''] = PATH.exec(url) ?? [];
    const place = decodeURIComponent(name);
    const isBackground = headers[CLASS_HEADER] === BACKGROUND;
    const store = places.own(place, isBackground ? 'background' : 'clients');
    if (store === undefined) throw storageNotFound(place, []);
    const handler = this.#handlers.get(store) ?? this.#handlerOf(store, place);
    this.#handlers.set(store, handler);
    return { handler, path };
  }

  #handlerOf(store: BlobStore, place: string): BlobHandler {
    const { clock } = this.#options;
    const checkTicket = ticketCheck({ keys: () => [this.#key()], node: place, clock });
    const peer = (from: string): BlobCall => this.#callTo(from.slice(0, from.indexOf('/')), from);
    return blobHandler({ store, checkTicket, log: silentLogger, peer });
  }

  #callTo(node: string, place: string): BlobCall {
    const prefix = `/p/${encodeURIComponent(place)}`;
    return (request) => this.#callOf(node).call({ ...request, path: `${prefix}${request.path}` });
  }

  #callOf(node: string): HttpBlobCall {
    const known = this.#calls.get(node);
    if (known !== undefined) return known;
    const made = httpBlobCall({ idleMs: PEER_IDLE_MS, connect: () => this.#connect(node) });
    this.#calls.set(node, made);
    return made;
  }

  async #connect(node: string): Promise<Socket> {
    const config = this.#options.config();
    const place = config?.nodes.find(({ id }) => id === node);
    if (config?.access === undefined || place === undefined)
      throw new Error(`Node ${node} is not known here`);
    const { access } = config;
    const late = (): Error => new Error(`no answer within ${PEER_CONNECT_MS} ms`);
    return await withDeadline(PEER_CONNECT_MS, late, (signal) =>
      openNodeDoor(access, place, '@files', signal),
    );
  }

  /** The same object for the same key: what is made of it costs more than a ticket. */
  #key(): Uint8Array {
    const of = this.#options.config()?.key ?? '';
    if (this.#ticketKey?.of !== of)
      this.#ticketKey = { of, key: deriveKey(Buffer.from(of, 'base64'), TICKETS) };
    return this.#ticketKey.key;
  }
}
