/** How much of a request's body has come, and where it ends; hands on decoded bytes. */
import { ChunkedDecoder, type ChunkSink } from '../http/chunked.ts';
import { BODY, type BodyKind, type RequestFraming } from '../http/framing.ts';
import type { FieldScanner } from '../http/head.ts';
import { HttpError } from '../http/http-error.ts';

/** Reused from request to request. */
export class RequestBody implements ChunkSink {
  kind: BodyKind = BODY.none;
  done = true;
  /** Bytes of the body that came, without its framing. */
  received = 0;
  /** HttpError 413 beyond it; for bodies of unknown length. */
  bytesMax: number = Infinity;
  /** Of `BODY.length`: bytes that have not come yet. */
  remaining = 0;
  private decoder: ChunkedDecoder | undefined;
  private sink: ChunkSink | undefined;

  start(framing: RequestFraming): void {
    this.kind = framing.kind;
    this.remaining = framing.length;
    this.received = 0;
    this.done =
      framing.kind === BODY.none || (framing.kind === BODY.length && this.remaining === 0);
    if (framing.kind === BODY.chunked) (this.decoder ??= new ChunkedDecoder()).reset();
  }

  get trailers(): FieldScanner | undefined {
    return this.kind === BODY.chunked ? this.decoder?.trailers : undefined;
  }

  /** Takes what belongs to the body of `from..to` and answers where it stopped. Throws HttpError 400 or 413. */
  feed(buffer: Buffer, from: number, to: number, sink: ChunkSink): number {
    if (this.kind === BODY.length) {
      const end = from + Math.min(this.remaining, to - from);
      this.remaining -= end - from;
      this.received += end - from;
      if (this.remaining === 0) this.done = true;
      if (end > from) sink.bodyBytes(buffer, from, end);
      return end;
    }
    const decoder = this.decoder;
    if (decoder === undefined) return from;
    this.sink = sink;
    const end = decoder.decode(buffer, from, to, this);
    this.sink = undefined;
    this.done = decoder.done;
    return end;
  }

  bodyBytes(buffer: Buffer, from: number, to: number): void {
    this.received += to - from;
    if (this.received > this.bytesMax) {
      throw new HttpError(
        413,
        'HTTP_BODY_TOO_LARGE',
        `The body is larger than ${this.bytesMax} bytes`,
      );
    }
    this.sink?.bodyBytes(buffer, from, to);
  }
}
