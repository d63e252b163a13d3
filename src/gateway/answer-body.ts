/** How much of an answer's body has come from the upstream, and how it is framed anew for the client. */
import { ChunkedDecoder, chunkLine, type ChunkSink } from '../http/chunked.ts';
import { BODY, type BodyKind, type ResponseFraming } from '../http/framing.ts';
import { lastChunkText } from './forward-head.ts';
import type { Outbox } from './outbox.ts';

/** Reused from answer to answer. */
export class AnswerBody implements ChunkSink {
  done = true;
  /** How its end is marked towards the client. */
  toClient: BodyKind = BODY.none;
  private readonly out: Outbox;
  private kind: BodyKind = BODY.none;
  /** Of `BODY.length`: bytes that have not come yet. */
  private remaining = 0;
  private decoder: ChunkedDecoder | undefined;

  constructor(out: Outbox) {
    this.out = out;
  }

  /** `clientMinor` is the x of the client's HTTP/1.x. */
  start(framing: ResponseFraming, clientMinor: 0 | 1): void {
    const { kind } = framing;
    this.kind = kind;
    this.remaining = framing.length;
    this.done = kind === BODY.none || (kind === BODY.length && framing.length === 0);
    if (kind === BODY.none || kind === BODY.length) this.toClient = kind;
    else this.toClient = clientMinor === 1 ? BODY.chunked : BODY.close;
    if (kind === BODY.chunked) (this.decoder ??= new ChunkedDecoder()).reset();
  }

  /** Passes on what belongs to the body of `from..to` and answers where it stopped. Throws HttpError. */
  feed(buffer: Buffer, from: number, to: number): number {
    if (this.kind === BODY.length) {
      const end = from + Math.min(this.remaining, to - from);
      this.remaining -= end - from;
      this.out.copied(buffer, from, end);
      this.done = this.remaining === 0;
      return end;
    }
    if (this.kind === BODY.close) {
      this.bodyBytes(buffer, from, to);
      return to;
    }
    const { decoder } = this;
    if (decoder === undefined) return from;
    const end = decoder.decode(buffer, from, to, this);
    this.done = decoder.done;
    if (this.done && this.toClient === BODY.chunked) {
      this.out.text(lastChunkText(decoder.trailers));
    }
    return end;
  }

  /** The upstream has closed its side. True when that is how the body ends; otherwise it is cut off. */
  ended(): boolean {
    if (this.kind !== BODY.close) return false;
    this.done = true;
    if (this.toClient === BODY.chunked) this.out.text(lastChunkText(undefined));
    return true;
  }

  bodyBytes(buffer: Buffer, from: number, to: number): void {
    const { out } = this;
    if (this.toClient !== BODY.chunked) {
      out.copied(buffer, from, to);
      return;
    }
    out.text(chunkLine(to - from));
    out.copied(buffer, from, to);
    out.text('\r\n');
  }
}
