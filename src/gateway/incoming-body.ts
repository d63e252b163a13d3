/** How much of an answer's body has come from the upstream: takes its framing off (RFC 9112 6). */
import { ChunkedDecoder, type ChunkSink } from '../http/chunked.ts';
import { BODY, type BodyKind, type ResponseFraming } from '../http/framing.ts';
import type { FieldScanner } from '../http/head.ts';

/** Reused from answer to answer. */
export class IncomingBody {
  done = true;
  kind: BodyKind = BODY.none;
  /** Of `BODY.length`: bytes that have not come yet. */
  private remaining = 0;
  private decoder: ChunkedDecoder | undefined;

  start(framing: ResponseFraming): void {
    const { kind } = framing;
    this.kind = kind;
    this.remaining = framing.length;
    this.done = kind === BODY.none || (kind === BODY.length && framing.length === 0);
    if (kind === BODY.chunked) (this.decoder ??= new ChunkedDecoder()).reset();
  }

  /** Gives the sink what belongs to the body of `from..to` and answers where it stopped. Throws HttpError. */
  feed(buffer: Buffer, from: number, to: number, sink: ChunkSink): number {
    if (this.kind === BODY.length) {
      const end = from + Math.min(this.remaining, to - from);
      this.remaining -= end - from;
      sink.bodyBytes(buffer, from, end);
      this.done = this.remaining === 0;
      return end;
    }
    if (this.kind === BODY.close) {
      sink.bodyBytes(buffer, from, to);
      return to;
    }
    const { decoder } = this;
    if (decoder === undefined) return from;
    const end = decoder.decode(buffer, from, to, sink);
    this.done = decoder.done;
    return end;
  }

  /** After a chunked body. */
  get trailers(): FieldScanner | undefined {
    return this.decoder?.trailers;
  }

  /** The upstream has closed its side. True when that is how the body ends; otherwise it is cut off. */
  ended(): boolean {
    if (this.kind !== BODY.close) return false;
    this.done = true;
    return true;
  }
}
