/**
 * The chunked transfer coding (RFC 9112 7.1), strict and incremental. Decoding hands out ranges of the
 * bytes it was given, never copies; extensions are read and thrown away.
 */
import { FieldScanner } from './head.ts';
import { HttpError } from './http-error.ts';
import { CHUNK_EXTENSION_BYTES_MAX, CHUNK_LINE_BYTES_MAX, TRAILER_LIMITS } from './limits.ts';

/** Takes the decoded bytes `from..to`; they are valid only during the call. */
export interface ChunkSink {
  bodyBytes(buffer: Buffer, from: number, to: number): void;
}

/** Where the decoder stands between two bytes. */
const AT = {
  sizeFirst: 0,
  size: 1,
  extension: 2,
  sizeLf: 3,
  data: 4,
  dataCr: 5,
  dataLf: 6,
  trailer: 7,
  done: 8,
} as const;

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
/** More hexadecimal digits than a size below 2^53 needs. */
const SIZE_DIGITS_MAX = 13;

const HEX = Int8Array.from({ length: 256 }, (_value, code) => {
  const digit = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(digit) ? -1 : digit;
});

/** Decodes one body at a time; `reset` before each. */
export class ChunkedDecoder {
  private state: number = AT.sizeFirst;
  private remaining = 0;
  private lineBytes = 0;
  private digits = 0;
  private extensionBytes = 0;
  private trailerText: Buffer | undefined;
  /** The trailer section, once `done`; undefined when it was empty. */
  trailers: FieldScanner | undefined;

  get done(): boolean {
    return this.state === AT.done;
  }

  reset(): void {
    this.state = AT.sizeFirst;
    this.remaining = 0;
    this.lineBytes = 0;
    this.digits = 0;
    this.extensionBytes = 0;
    this.trailerText = undefined;
    this.trailers = undefined;
  }

  /**
   * Decodes `from..to` and answers how far it got: less than `to` only when the body ended there (`done`).
   * Throws HttpError 400 (or 431 for trailers).
   */
  decode(buffer: Buffer, from: number, to: number, sink: ChunkSink): number {
    let at = from;
    while (at < to && this.state !== AT.done) {
      if (this.state === AT.data) {
        const take = Math.min(this.remaining, to - at);
        sink.bodyBytes(buffer, at, at + take);
        at += take;
        this.remaining -= take;
        if (this.remaining === 0) this.state = AT.dataCr;
      } else if (this.state === AT.trailer) {
        at = this.readTrailer(buffer, at, to);
      } else {
        this.readByte(buffer[at] ?? 0);
        at++;
      }
    }
    return at;
  }

  private readByte(byte: number): void {
    switch (this.state) {
      case AT.sizeFirst:
      case AT.size:
        this.readSize(byte);
        return;
      case AT.extension:
        this.readExtension(byte);
        return;
      case AT.sizeLf:
        if (byte !== LF) throw badChunk('A chunk-size line does not end in CR LF');
        this.state = this.remaining === 0 ? AT.trailer : AT.data;
        return;
      case AT.dataCr:
        if (byte !== CR) throw badChunk('Chunk data is longer than its size');
        this.state = AT.dataLf;
        return;
      default:
        if (byte !== LF) throw badChunk('Chunk data does not end in CR LF');
        this.state = AT.sizeFirst;
        this.lineBytes = 0;
        this.digits = 0;
    }
  }

  private readSize(byte: number): void {
    const digit = HEX[byte] ?? -1;
    if (digit >= 0) {
      if (++this.digits > SIZE_DIGITS_MAX) throw badChunk('A chunk size is too large');
      this.remaining = this.remaining * 16 + digit;
      this.state = AT.size;
      return;
    }
    if (this.state === AT.sizeFirst) throw badChunk('A chunk size is not a hexadecimal number');
    if (byte === CR) this.state = AT.sizeLf;
    else if (byte === SEMICOLON) this.state = AT.extension;
    else throw badChunk('A chunk size is followed by a forbidden byte');
  }

  private readExtension(byte: number): void {
    if (byte === CR) {
      this.state = AT.sizeLf;
      return;
    }
    if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) {
      throw badChunk('A chunk extension has a control byte');
    }
    this.extensionBytes++;
    if (
      ++this.lineBytes > CHUNK_LINE_BYTES_MAX ||
      this.extensionBytes > CHUNK_EXTENSION_BYTES_MAX
    ) {
      throw badChunk('The chunk extensions are too long');
    }
  }

  private readTrailer(buffer: Buffer, at: number, to: number): number {
    const known = this.trailerText;
    // By far the most frequent: no trailers, and the empty line is all there.
    if (known === undefined && to - at >= 2 && buffer[at] === CR && buffer[at + 1] === LF) {
      this.state = AT.done;
      return at + 2;
    }
    const more = buffer.subarray(at, to);
    const text = known === undefined ? Buffer.from(more) : Buffer.concat([known, more]);
    const scanner = (this.trailers ??= new FieldScanner(TRAILER_LIMITS));
    if (known === undefined) scanner.reset(0);
    this.trailerText = text;
    if (!scanner.scanFields(text, text.length)) return to;
    this.state = AT.done;
    if (scanner.count === 0) this.trailers = undefined;
    return to - (text.length - scanner.end);
  }
}

function badChunk(message: string): HttpError {
  return new HttpError(400, 'HTTP_BAD_CHUNK', message);
}

/** The line before `bytes` of chunk data; an empty CR LF goes behind them. */
export function chunkLine(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

/** Ends a chunked body without trailers. */
export const LAST_CHUNK = '0\r\n\r\n';
