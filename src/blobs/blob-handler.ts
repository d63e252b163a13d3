/** The server's side of `wire.ts`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { sentOf } from '../base/piece-pool.ts';
import { copyBlob } from './copy-blob.ts';
import { invalid, refusedTicket } from './errors.ts';
import { FarBlobs } from './far-blobs.ts';
import { PROGRESS_BYTES } from './limits.ts';
import {
  isBlobId,
  type BlobRange,
  type BlobStore,
  type PutOptions,
  type Written,
} from './model.ts';
import { isSmall, wholeOf } from './small-body.ts';
import type { Ticket, TicketCheck, TicketVerb } from './ticket.ts';
import {
  BLOB_HEADER,
  type BlobCall,
  COPY_HEADER,
  decodePutOptions,
  encodeHeader,
  encodeOriginal,
  FOR_COPY,
  LENGTH_HEADER,
  SHA256_HEADER,
  SOURCE_TICKET_HEADER,
  STAT_HEADER,
  statusOf,
  TICKET_HEADER,
} from './wire.ts';

export interface BlobHandlerOptions {
  readonly store: BlobStore;
  readonly checkTicket: TicketCheck;
  readonly log: Logger;
  /** How another storage node is reached, to copy from it. Default: nothing is copied from others. */
  readonly peer?: (node: string) => BlobCall;
}

export interface BlobHandler {
  /** For `request` and `checkContinue` of node:http. Never rejects. */
  readonly answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** A put that was read some other way; nobody else has the pieces of its body. Rejects with what `failureOf` tells. */
  readonly put: (asked: PutAsked) => Promise<Written>;
}

export interface PutAsked {
  /** Without a query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
}

const BLOB_PATH = /^\/c\/([^/]+)$/;
const RANGE = /^bytes=(\d{1,16})-(\d{1,16})$/;

export function blobHandler(options: BlobHandlerOptions): BlobHandler {
  return {
    answer: async (request, response) => {
      try {
        const url = new URL(request.url ?? '/', 'http://node');
        await answer(options, url.pathname, { request, response, query: url.searchParams });
      } catch (error) {
        fail(options.log, request, response, error);
      }
    },
    put: async ({ path, headers, body }) => {
      const id = idOf(path);
      const ticket = options.checkTicket(headers[TICKET_HEADER], { id, verb: 'write' });
      const put = allowed(ticket, decodePutOptions(headers[BLOB_HEADER]));
      return await options.store.put(id, body, { ...put, givesPieces: true });
    },
  };
}

/** Throws `BLOBS_INVALID`. */
function idOf(path: string): string {
  const id = BLOB_PATH.exec(path)?.[1];
  if (id === undefined || !isBlobId(id)) throw invalid(`A storage node has nothing at "${path}"`);
  return id;
}

async function answer(options: BlobHandlerOptions, path: string, asked: Asked): Promise<void> {
  const { request, response, query } = asked;
  const { store } = options;
  const survey = request.method === 'GET' && (path === '/list' || path === '/usage');
  if (survey) {
    options.checkTicket(ticketOf(request), { id: '*', verb: 'survey' });
    if (path === '/usage') return json(response, 200, await store.usage());
    const after = query.get('after') ?? undefined;
    const skipAway = query.get('skipAway') === 'true';
    return json(response, 200, await store.list(after, whole(query.get('limit')), { skipAway }));
  }
  await answerOne(options, idOf(path), asked);
}

async function answerOne(options: BlobHandlerOptions, id: string, asked: Asked): Promise<void> {
  const { request, response, query } = asked;
  const { store } = options;
  const allow = (verb: TicketVerb): Ticket => options.checkTicket(ticketOf(request), { id, verb });
  switch (request.method) {
    case 'PUT': {
      const put = allowed(allow('write'), decodePutOptions(header(request, BLOB_HEADER)));
      return json(response, 201, await store.put(id, bodyOf(asked), put));
    }
    case 'GET':
      allow('read');
      return await giveBytes(store, id, asked);
    case 'HEAD':
      allow('read');
      return await giveStat(store, id, response);
    case 'DELETE':
      allow('delete');
      return json(response, 200, { deleted: await store.delete(id) });
    case 'POST':
      if (query.has('verify')) {
        allow('read');
        return json(response, 200, { verdict: await store.verify(id) });
      }
      return json(response, 200, await change(options, id, asked, allow('write')));
    default:
      throw invalid(`A storage node does not know the method ${request.method}`);
  }
}

async function change(
  options: BlobHandlerOptions,
  id: string,
  asked: Asked,
  ticket: Ticket,
): Promise<unknown> {
  const { request, query } = asked;
  const { store } = options;
  if (query.has('seal')) return await store.seal(id);
  if (query.has('truncate')) {
    await store.truncate(id, whole(query.get('truncate')));
    return {};
  }
  if (query.has('append')) {
    const begins = header(request, BLOB_HEADER);
    const settings = begins === undefined ? undefined : allowed(ticket, decodePutOptions(begins));
    return await store.append(id, whole(query.get('append')), bodyOf(asked), settings);
  }
  if (query.has('pull')) {
    const from = {
      node: query.get('pull') ?? '',
      ticket: header(request, SOURCE_TICKET_HEADER) ?? '',
    };
    return await pull(options, id, ticket, { from, onBytes: progress(asked.response) });
  }
  throw invalid('A storage node is asked to change a blob, but not how');
}

async function pull(
  { store, peer }: BlobHandlerOptions,
  id: string,
  { maxBytes }: Ticket,
  way: {
    readonly from: { readonly node: string; readonly ticket: string };
    readonly onBytes: (bytes: number) => void;
  },
): Promise<Written> {
  const { from, onBytes } = way;
  if (peer === undefined) throw invalid('This storage node copies from no other');
  const source = new FarBlobs({
    call: peer(from.node),
    ticket: () => from.ticket,
    isBackground: true,
  });
  return await copyBlob(id, { from: source, to: store, maxBytes, onBytes });
}

/** Whoever waits for a copy, which may go after clients for long, hears that it goes on: by 102, RFC 2518 section 10.1. */
function progress(response: ServerResponse): (bytes: number) => void {
  let untold = 0;
  return (bytes) => {
    untold += bytes;
    if (untold < PROGRESS_BYTES) return;
    untold = 0;
    response.writeProcessing();
  };
}

/** The ticket says how much may come, and for which placement. */
function allowed(ticket: Ticket, options: PutOptions): PutOptions {
  if (options.allocSeq !== ticket.allocSeq) {
    throw refusedTicket(`it is for placement ${ticket.allocSeq}, not ${options.allocSeq}`);
  }
  if (!(options.maxBytes <= ticket.maxBytes)) {
    throw refusedTicket(`it is for ${ticket.maxBytes} bytes, not ${options.maxBytes}`);
  }
  return options;
}

async function giveBytes(store: BlobStore, id: string, asked: Asked): Promise<void> {
  const { request, response } = asked;
  const range = rangeOf(header(request, 'range'));
  const forCopy = header(request, COPY_HEADER) === FOR_COPY;
  const { length, sha256, original, body } = await store.get(id, range, { forCopy });
  const end = Math.min(range?.end ?? length, length);
  const start = Math.min(range?.start ?? 0, end);
  response.writeHead(range === undefined ? 200 : 206, {
    'content-type': 'application/octet-stream',
    'content-length': end - start,
    [LENGTH_HEADER]: length,
    ...(sha256 === undefined ? {} : { [SHA256_HEADER]: sha256 }),
    ...(original === undefined ? {} : { [COPY_HEADER]: encodeOriginal(original) }),
  });
  const gone = new Promise<void>((resolve) => response.once('close', resolve));
  // One piece behind, so that a small blob goes with its head.
  let last: Uint8Array | undefined;
  for await (const piece of body) {
    if (response.destroyed) return;
    const before = last;
    last = piece;
    if (before === undefined || response.write(before, sentOf(before))) continue;
    await Promise.race([new Promise<void>((resolve) => response.once('drain', resolve)), gone]);
  }
  response.end(last);
}

function rangeOf(text: string | undefined): BlobRange | undefined {
  if (text === undefined) return undefined;
  const match = RANGE.exec(text);
  if (match === null) throw invalid(`"${text}" is no range that a storage node gives`);
  return { start: Number(match[1]), end: Number(match[2]) + 1 };
}

async function giveStat(store: BlobStore, id: string, response: ServerResponse): Promise<void> {
  const stat = await store.stat(id);
  if (stat === undefined) throw new MolnError('BLOBS_MISSING', `Blob ${id} is not here`);
  response.writeHead(200, { [STAT_HEADER]: encodeHeader(stat) });
  response.end();
}

/** The sender is told to begin when somebody begins to read, so that what is refused is not sent at all. */
async function* bodyOf({ request, response }: Asked): AsyncGenerator<Uint8Array> {
  if (request.headers.expect !== undefined) response.writeContinue();
  else if (isSmall(request)) {
    yield await wholeOf(request);
    return;
  }
  // The answer still has to be written when reading ends early.
  for await (const piece of request.iterator({ destroyOnReturn: false })) yield piece as Buffer;
  if (!request.complete) throw new MolnError('BLOBS_BROKEN', 'The sender went away');
}

function json(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

function fail(
  log: Logger,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  if (response.headersSent || response.destroyed) {
    log.debug('An answer of the storage node broke off', { reason: messageOf(error) });
    response.destroy();
    return;
  }
  if (request.destroyed && !isMolnError(error)) return;
  const failure = failureOf(log, error);
  const body = JSON.stringify(failure);
  // What is still being sent is not wanted: the connection cannot be used again.
  const unread = request.method === 'PUT' || request.method === 'POST';
  response.writeHead(statusOf(failure), {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...(request.method === 'HEAD' ? { [STAT_HEADER]: encodeHeader(failure) } : {}),
    ...(unread && !request.complete ? { connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** What the other side is told of it. */
export function failureOf(log: Logger, error: unknown): MolnError {
  if (isMolnError(error)) return error;
  log.error('The storage node failed', { error });
  return new MolnError('BLOBS_FAILED', 'The storage node failed inside; see its log', {
    retryable: true,
  });
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function ticketOf(request: IncomingMessage): string | undefined {
  return header(request, TICKET_HEADER);
}

/** Throws `BLOBS_INVALID`. */
function whole(text: string | null): number {
  if (text !== null && /^\d{1,15}$/.test(text)) return Number(text);
  throw invalid(`"${text}" is no whole number`);
}
