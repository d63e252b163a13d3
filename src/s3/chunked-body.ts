/**
 * The coding `aws-chunked`: chunks with or without a signature, with or without fields after them. The bytes are passed on as they come;
 * the end is reached only if every signature, length and field was good, so whoever commits at the end commits nothing else.
 */
import { createHash, type Hash, type KeyObject } from 'node:crypto';
import { giveBack, share } from '../base/piece-pool.ts';
import { S3Error } from './errors.ts';
import {
  chunkStringToSign,
  EMPTY_SHA256,
  type Scope,
  sign,
  trailerStringToSign,
} from '../base/aws-signature.ts';

export interface ChunkSigner {
  readonly key: KeyObject;
  readonly time: string;
  readonly scope: Scope;
  /** The signature of the head. */
  readonly seed: string;
}

export interface ChunkedOptions {
  /** Undefined when chunks are not signed. */
  readonly signer: ChunkSigner | undefined;
  /** The length that the client has said; undefined when it has not. */
  readonly decodedLength: number | undefined;
  /** Fields may follow: called with them, by names in lower case, before the end. */
  readonly onTrailers?: ((fields: ReadonlyMap<string, string>) => void) | undefined;
}

const LINE_BYTES_MAX = 4096;
const TRAILERS_MAX = 16;
const CHUNK_BYTES_MAX = 5 * 1024 ** 3;
const CR = 13;
const LF = 10;
const CHUNK_HEAD = /^([0-9A-Fa-f]{1,10})(?:;chunk-signature=([0-9a-f]{64}))?$/;
const TRAILER = /^([a-zA-Z0-9-]+)[ \t]*:[ \t]*(.*?)[ \t]*$/;

export async function* decodeChunked(
  source: AsyncIterable<Uint8Array>,
  options: ChunkedOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = new Decoder(options);
  for await (const piece of source) {
    yield* decoder.push(piece);
    giveBack(piece);
  }
  decoder.end();
}

type State = 'head' | 'data' | 'data-end' | 'trailers' | 'done';

class Decoder {
  readonly #options: ChunkedOptions;
  #state: State = 'head';
  /** An unfinished line. */
  #rest: Buffer = Buffer.alloc(0);
  #left = 0;
  #total = 0;
  #previous: string;
  #wanted: string | undefined;
  #hash: Hash | undefined;
  #trailerText = '';
  readonly #trailers = new Map<string, string>();

  constructor(options: ChunkedOptions) {
    this.#options = options;
    this.#previous = options.signer?.seed ?? '';
  }

  *push(piece: Uint8Array): Generator<Uint8Array, void, undefined> {
    let bytes: Buffer = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    if (this.#rest.length > 0) {
      bytes = Buffer.concat([this.#rest, bytes]);
      this.#rest = Buffer.alloc(0);
    }
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === 'data') {
        const data = bytes.subarray(at, at + this.#left);
        at += data.length;
        this.#take(data);
        share(data);
        yield data;
        continue;
      }
      const end = bytes.indexOf(LF, at);
      if (end < 0) {
        this.#rest = Buffer.from(bytes.subarray(at));
        if (this.#rest.length > LINE_BYTES_MAX) throw malformed();
        return;
      }
      // Unsigned trailers of some clients end with a bare line feed, as AWS's own examples do.
      const stop = end > at && bytes[end - 1] === CR ? end - 1 : end;
      this.#line(bytes.toString('latin1', at, stop));
      at = end + 1;
    }
  }

  end(): void {
    if (this.#state === 'trailers' && this.#rest.length > 0) {
      this.#line(this.#rest.toString('latin1'));
      this.#rest = Buffer.alloc(0);
    }
    if (this.#state === 'trailers') this.#finish();
    if (this.#state !== 'done') throw new S3Error('IncompleteBody');
    const { decodedLength } = this.#options;
    if (decodedLength !== undefined && decodedLength !== this.#total) {
      throw new S3Error('IncompleteBody');
    }
  }

  #take(data: Buffer): void {
    this.#left -= data.length;
    this.#total += data.length;
    this.#hash?.update(data);
    const { decodedLength } = this.#options;
    if (decodedLength !== undefined && this.#total > decodedLength) {
      throw new S3Error('IncompleteBody');
    }
    if (this.#left === 0) {
      this.#check(this.#hash?.digest('hex'));
      this.#state = 'data-end';
    }
  }

  #line(line: string): void {
    switch (this.#state) {
      case 'head':
        this.#head(line);
        return;
      case 'data-end':
        if (line !== '') throw malformed();
        this.#state = 'head';
        return;
      case 'trailers':
        this.#trailer(line);
        return;
      case 'done':
      case 'data':
        if (line !== '') throw malformed();
    }
  }

  #head(line: string): void {
    const match = CHUNK_HEAD.exec(line);
    const signed = this.#options.signer !== undefined;
    if (match === null || signed !== (match[2] !== undefined)) throw malformed();
    this.#left = Number.parseInt(match[1] ?? '', 16);
    if (this.#left > CHUNK_BYTES_MAX) throw new S3Error('EntityTooLarge');
    this.#wanted = match[2];
    if (this.#left === 0) {
      this.#check(EMPTY_SHA256);
      this.#state = 'trailers';
      return;
    }
    if (signed) this.#hash = createHash('sha256');
    this.#state = 'data';
  }

  #check(chunkHash: string | undefined): void {
    const { signer } = this.#options;
    if (signer === undefined || chunkHash === undefined) return;
    const text = chunkStringToSign(signer.time, signer.scope, {
      previous: this.#previous,
      chunkHash,
    });
    const own = sign(signer.key, text);
    if (own !== this.#wanted) throw new S3Error('SignatureDoesNotMatch');
    this.#previous = own;
  }

  #trailer(line: string): void {
    if (line === '') {
      if (this.#trailers.size > 0 || this.#options.onTrailers === undefined) this.#finish();
      return;
    }
    const match = TRAILER.exec(line);
    if (match === null || this.#trailers.size >= TRAILERS_MAX) {
      throw new S3Error('MalformedTrailerError');
    }
    const name = (match[1] ?? '').toLowerCase();
    const value = match[2] ?? '';
    if (name === 'x-amz-trailer-signature') {
      this.#checkTrailers(value);
      return;
    }
    this.#trailers.set(name, value);
    this.#trailerText += `${name}:${value}\n`;
  }

  #trailersChecked = false;

  #checkTrailers(signature: string): void {
    const { signer } = this.#options;
    this.#trailersChecked = true;
    if (signer === undefined) return;
    const trailerHash = createHash('sha256').update(this.#trailerText).digest('hex');
    const text = trailerStringToSign(signer.time, signer.scope, {
      previous: this.#previous,
      trailerHash,
    });
    if (sign(signer.key, text) !== signature) throw new S3Error('SignatureDoesNotMatch');
  }

  #finish(): void {
    if (this.#options.signer !== undefined && this.#trailers.size > 0 && !this.#trailersChecked) {
      // The signature may come after the empty line's place only as the last field: without it nothing vouches for them.
      throw new S3Error('SignatureDoesNotMatch');
    }
    this.#state = 'done';
    this.#options.onTrailers?.(this.#trailers);
  }
}

function malformed(): S3Error {
  return new S3Error('InvalidRequest', 'The chunks of the body are malformed');
}
