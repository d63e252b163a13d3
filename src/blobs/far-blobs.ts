/** A storage node of another machine, with the verbs of a near one. Nothing is repeated by itself. */
import { isMolnError } from '../base/errors.ts';
import { invalid, tooLarge, wrongLength } from './errors.ts';
import { requireBlobId } from './format.ts';
import type {
  AppendOptions,
  BlobContent,
  BlobEntry,
  BlobId,
  BlobRange,
  BlobStat,
  BlobStore,
  BlobUsage,
  GetOptions,
  ListOptions,
  PutOptions,
  Written,
} from './model.ts';
import { SURVEY, type TicketClaim } from './ticket.ts';
import {
  ANSWER_BYTES_MAX,
  BACKGROUND,
  BLOB_HEADER,
  type BlobCall,
  type BlobResponse,
  broken,
  CLASS_HEADER,
  COPY_HEADER,
  decodeOriginal,
  decodeStat,
  encodeHeader,
  errorFrom,
  FOR_COPY,
  LENGTH_HEADER,
  SHA256_HEADER,
  SOURCE_TICKET_HEADER,
  STAT_HEADER,
  TICKET_HEADER,
} from './wire.ts';

export interface FarBlobsOptions {
  readonly call: BlobCall;
  /** A ticket that the node takes: `makeTicket` with its name and a time. */
  readonly ticket: (claim: TicketClaim) => string;
  /** Goes after what clients ask of the node. */
  readonly isBackground?: boolean;
}

interface Ask {
  readonly method: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: AsyncIterable<Uint8Array>;
  readonly givesPieces?: boolean;
}

/** Where a copy is read from. */
export interface PullSource {
  /** As the pulling node knows it. */
  readonly node: string;
  /** To `read` it there. */
  readonly ticket: string;
}

export class FarBlobs implements BlobStore {
  readonly #options: FarBlobsOptions;

  constructor(options: FarBlobsOptions) {
    this.#options = options;
  }

  async put(
    id: BlobId,
    body: AsyncIterable<Uint8Array>,
    { sums: _own, crcs: _known, givesPieces = false, ...options }: PutOptions,
  ): Promise<Written> {
    const { length } = options;
    const headers = { [BLOB_HEADER]: encodeHeader(options), ...lengthHeader(length) };
    const exact = length === undefined ? body : exactly(id, body, length);
    const ask = { method: 'PUT', headers, body: exact, givesPieces };
    return (await this.#json(write(id, options), ask)) as Written;
  }

  async get(
    id: BlobId,
    range?: BlobRange,
    { forCopy = false }: GetOptions = {},
  ): Promise<BlobContent> {
    if (range !== undefined && range.end < range.start) {
      throw invalid(`No such range of a blob: ${range.start} to ${range.end}`);
    }
    // HTTP has no empty range; one byte is asked for and not given on.
    const headers = {
      ...(range === undefined
        ? {}
        : { range: `bytes=${range.start}-${Math.max(range.start, range.end - 1)}` }),
      ...(forCopy ? { [COPY_HEADER]: FOR_COPY } : {}),
    };
    const answer = await this.#ask(read(id), { method: 'GET', headers });
    const { headers: said, body } = answer;
    const sha256 = said[SHA256_HEADER];
    const original = decodeOriginal(said[COPY_HEADER]);
    return {
      length: Number(said[LENGTH_HEADER]),
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(original === undefined ? {} : { original }),
      body: range?.start === range?.end && range !== undefined ? nothingOf(body) : body,
    };
  }

  async append(
    id: BlobId,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    options?: AppendOptions,
  ): Promise<{ readonly length: number }> {
    const headers = options === undefined ? {} : { [BLOB_HEADER]: encodeHeader(options) };
    const ask = { method: 'POST', query: `append=${offset}`, headers, body };
    return (await this.#json(write(id, options), ask)) as { readonly length: number };
  }

  async seal(id: BlobId): Promise<Written> {
    return (await this.#json(write(id), { method: 'POST', query: 'seal' })) as Written;
  }

  async truncate(id: BlobId, length: number): Promise<void> {
    await this.#json(write(id), { method: 'POST', query: `truncate=${length}` });
  }

  /** Lets that node copy the blob from another one. */
  async pull(
    id: BlobId,
    from: PullSource,
    options: { maxBytes: number; allocSeq: number },
  ): Promise<Written> {
    const headers = { [SOURCE_TICKET_HEADER]: from.ticket };
    const query = `pull=${encodeURIComponent(from.node)}`;
    return (await this.#json(write(id, options), { method: 'POST', query, headers })) as Written;
  }

  async delete(id: BlobId): Promise<boolean> {
    const claim: TicketClaim = { id, verb: 'delete', maxBytes: 0, allocSeq: 0 };
    const { deleted } = (await this.#json(claim, { method: 'DELETE' })) as { deleted: boolean };
    return deleted;
  }

  async stat(id: BlobId): Promise<BlobStat | undefined> {
    try {
      const answer = await this.#ask(read(id), { method: 'HEAD' });
      await drain(answer);
      return decodeStat(answer.headers[STAT_HEADER]);
    } catch (error) {
      if (isMolnError(error, 'BLOBS_MISSING')) return undefined;
      throw error;
    }
  }

  async verify(id: BlobId): Promise<'good' | 'corrupt' | 'missing'> {
    const answer = await this.#json(read(id), { method: 'POST', query: 'verify' });
    return (answer as { readonly verdict: 'good' | 'corrupt' | 'missing' }).verdict;
  }

  async list(
    after: BlobId | undefined,
    limit: number,
    { skipAway = false }: ListOptions = {},
  ): Promise<readonly BlobEntry[]> {
    const query = new URLSearchParams({
      limit: String(limit),
      skipAway: String(skipAway),
      ...(after === undefined ? {} : { after }),
    });
    return (await this.#survey(`/list?${query}`)) as readonly BlobEntry[];
  }

  async usage(): Promise<BlobUsage> {
    return (await this.#survey('/usage')) as BlobUsage;
  }

  async #survey(path: string): Promise<unknown> {
    const headers = { [TICKET_HEADER]: this.#options.ticket(SURVEY) };
    return await jsonOf(await checked(await this.#options.call({ method: 'GET', path, headers })));
  }

  async #json(claim: TicketClaim, ask: Ask): Promise<unknown> {
    return await jsonOf(await this.#ask(claim, ask));
  }

  async #ask(claim: TicketClaim, { method, query, headers, ...sent }: Ask): Promise<BlobResponse> {
    requireBlobId(claim.id);
    const { call, ticket, isBackground = false } = this.#options;
    const answer = await call({
      method,
      path: `/c/${claim.id}${query === undefined ? '' : `?${query}`}`,
      headers: {
        ...headers,
        ...(isBackground ? { [CLASS_HEADER]: BACKGROUND } : {}),
        [TICKET_HEADER]: ticket(claim),
      },
      ...sent,
    });
    return await checked(answer);
  }
}

function read(id: BlobId): TicketClaim {
  return { id, verb: 'read', maxBytes: 0, allocSeq: 0 };
}

function write(
  id: BlobId,
  options: { readonly maxBytes: number; readonly allocSeq: number } = { maxBytes: 0, allocSeq: 0 },
): TicketClaim {
  return { id, verb: 'write', maxBytes: options.maxBytes, allocSeq: options.allocSeq };
}

function lengthHeader(length: number | undefined): Readonly<Record<string, string>> {
  return length === undefined ? {} : { 'content-length': String(length) };
}

/** HTTP is told the length beforehand: more or less would spoil the connection. */
async function* exactly(
  id: BlobId,
  body: AsyncIterable<Uint8Array>,
  length: number,
): AsyncGenerator<Uint8Array> {
  let seen = 0;
  for await (const piece of body) {
    seen += piece.length;
    if (seen > length) throw tooLarge(id, length);
    yield piece;
  }
  if (seen < length) throw wrongLength(id, seen, length);
}

async function checked(answer: BlobResponse): Promise<BlobResponse> {
  if (answer.status < 300) return answer;
  if (answer.headers[STAT_HEADER] !== undefined) {
    // A HEAD has no body to say it in.
    await drain(answer);
    throw errorFrom(answer.status, decodeStat(answer.headers[STAT_HEADER]));
  }
  throw errorFrom(answer.status, await jsonOf(answer));
}

async function jsonOf({ body, status }: BlobResponse): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    if (length > ANSWER_BYTES_MAX)
      throw broken(`its answer has more than ${ANSWER_BYTES_MAX} bytes`);
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'));
  } catch (error) {
    throw broken(`its answer with status ${status} is not JSON`, error);
  }
}

async function drain({ body }: BlobResponse): Promise<void> {
  for await (const _piece of body) continue;
}

async function* nothingOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of body) if (piece.length < 0) yield piece;
}
