/** A body on its way from the upstream to the client, framed anew. */
import { chunkLine, type ChunkSink, LAST_CHUNK } from '../http/chunked.ts';
import { BODY, type BodyKind, type ResponseFraming } from '../http/framing.ts';
import { lastChunkText } from './forward-head.ts';
import { IncomingBody } from './incoming-body.ts';
import type { Outbox } from './outbox.ts';

/** Reused from answer to answer. */
export class AnswerBody implements ChunkSink {
  /** How its end is marked towards the client. */
  toClient: BodyKind = BODY.none;
  /** In lower case: fields that were taken out of the head, and are no trailers either. */
  dropped: readonly string[] = [];
  private readonly out: Outbox;
  private readonly incoming: IncomingBody = new IncomingBody();
  private watcher: ChunkSink | undefined;

  constructor(out: Outbox) {
    this.out = out;
  }

  get done(): boolean {
    return this.incoming.done;
  }

  /** `clientMinor` is the x of the client's HTTP/1.x. */
  start(framing: ResponseFraming, clientMinor: 0 | 1): void {
    const { kind } = framing;
    this.incoming.start(framing);
    this.watcher = undefined;
    if (kind === BODY.none || kind === BODY.length) this.toClient = kind;
    else this.toClient = clientMinor === 1 ? BODY.chunked : BODY.close;
  }

  /** It gets what the client gets, until the next answer. */
  watch(watcher: ChunkSink | undefined): void {
    this.watcher = watcher;
  }

  /** Passes on what belongs to the body of `from..to` and answers where it stopped. Throws HttpError. */
  feed(buffer: Buffer, from: number, to: number): number {
    const { incoming } = this;
    const end = incoming.feed(buffer, from, to, this);
    if (incoming.done && this.toClient === BODY.chunked) {
      this.out.text(lastChunkText(incoming.trailers, this.dropped));
    }
    return end;
  }

  /** The upstream has closed its side. True when that is how the body ends; otherwise it is cut off. */
  ended(): boolean {
    if (!this.incoming.ended()) return false;
    if (this.toClient === BODY.chunked) this.out.text(LAST_CHUNK);
    return true;
  }

  bodyBytes(buffer: Buffer, from: number, to: number): void {
    const { out } = this;
    this.watcher?.bodyBytes(buffer, from, to);
    if (this.toClient !== BODY.chunked) {
      out.copied(buffer, from, to);
      return;
    }
    out.text(chunkLine(to - from));
    out.copied(buffer, from, to);
    out.text('\r\n');
  }
}
