/**
 * Compresses the body of one answer on its way out: what whoever answers writes goes in, what comes out is framed for the
 * client. When the client is slow it takes no more, and then says so as a slow socket does.
 */
import {
  constants,
  createBrotliCompress,
  createGzip,
  createZstdCompress,
  type BrotliCompress,
  type Gzip,
  type ZstdCompress,
} from 'node:zlib';
import { chunkLine, LAST_CHUNK } from '../http/chunked.ts';
import type { Connection } from './connection.ts';
import type { BodyTaker } from './outbox.ts';
import type { Responder } from './responder.ts';
import type { CompressCoding } from './site-config.ts';

/** Chosen for speed: the better levels cost many times more for a few percent. */
const GZIP_LEVEL = 5;
const BROTLI_QUALITY = 4;
const ZSTD_LEVEL = 3;
/** The window, as a power of two: what an encoder may remember. */
const WINDOW_BITS = 18;

type Encoder = Gzip | BrotliCompress | ZstdCompress;

export class BodyCoder implements BodyTaker, Responder {
  readonly #connection: Connection;
  readonly #encoder: Encoder;
  readonly #isChunked: boolean;
  /** The upstream may take its time between two pieces: none is held back until the next one. */
  readonly #streams: boolean;
  #isDirty = false;
  #isOver = false;
  #sinceMs: number;

  constructor(
    connection: Connection,
    options: {
      readonly coding: CompressCoding;
      readonly isChunked: boolean;
      readonly streams: boolean;
    },
  ) {
    this.#connection = connection;
    this.#isChunked = options.isChunked;
    this.#streams = options.streams;
    this.#sinceMs = connection.plane.coarseMs;
    const encoder = encoderFor(options.coding);
    this.#encoder = encoder;
    encoder.on('data', (bytes: Buffer) => this.#came(bytes));
    encoder.on('drain', () => connection.drained());
    encoder.on('end', () => this.#ended());
    encoder.on('error', (error) => this.#broke(error));
  }

  get blocked(): boolean {
    return this.#encoder.writableNeedDrain;
  }

  write(bytes: Buffer, done?: () => void): void {
    if (this.#encoder.destroyed) {
      done?.();
      return;
    }
    this.#isDirty = true;
    this.#encoder.write(bytes, done);
  }

  pass(): void {
    if (!this.#streams || !this.#isDirty || this.#isOver) return;
    this.#isDirty = false;
    this.#encoder.flush();
  }

  /** The connection goes on when the rest is out. */
  end(): void {
    this.#isOver = true;
    this.#connection.answerBy(this);
    this.#encoder.end();
  }

  resume(): void {
    this.#sinceMs = this.#connection.plane.coarseMs;
    this.#encoder.resume();
  }

  destroy(): void {
    this.#encoder.destroy();
  }

  #came(bytes: Buffer): void {
    const { out } = this.#connection;
    if (this.#isChunked) out.past(chunkLine(bytes.length), bytes, '\r\n');
    else out.past('', bytes, '');
    if (out.isFull) this.#encoder.pause();
  }

  #ended(): void {
    const { out } = this.#connection;
    out.coder = undefined;
    if (this.#isChunked) out.text(LAST_CHUNK);
    this.#connection.answered();
    out.flush();
  }

  #broke(error: Error): void {
    this.#connection.plane.log.error('An answer could not be compressed', { error });
    this.#connection.abort();
  }

  // Responder, once the body is complete --------------------------------------------------------------------

  readonly holdsBody = false;
  requestBytes(): void {}
  requestEnded(): void {}
  flush(): void {}
  clientDrained(): void {}
  clientEnded(): void {}

  clientClosed(): void {
    this.destroy();
  }

  sweep(horizonMs: number): void {
    const limit = this.#connection.request.route?.limits.idleTimeoutMs ?? Infinity;
    if (horizonMs - this.#sinceMs < limit) return;
    this.#connection.request.error = 'The client did not read';
    this.#connection.abort();
  }
}

function encoderFor(coding: CompressCoding): Encoder {
  switch (coding) {
    case 'br':
      return createBrotliCompress({
        params: {
          [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
          [constants.BROTLI_PARAM_LGWIN]: WINDOW_BITS,
        },
      });
    case 'zstd':
      return createZstdCompress({
        params: {
          [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL,
          [constants.ZSTD_c_windowLog]: WINDOW_BITS,
        },
      });
    case 'gzip':
      return createGzip({ level: GZIP_LEVEL });
  }
}
