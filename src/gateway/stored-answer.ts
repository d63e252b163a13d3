/** Sends an answer whose body is stored, or on its way into the store, at the pace of its reader. */
import { randomId } from '../base/ids.ts';
import {
  type Answer,
  answerPieces,
  answerWith,
  type Body,
  type BodyReader,
  BufferBody,
  type CacheRequest,
  type Entry,
  type Section,
  TextBody,
  UNKNOWN_LENGTH,
} from '../cache/cache.ts';
import { chunkLine, LAST_CHUNK } from '../http/chunked.ts';
import { statusLine } from '../http/status.ts';
import type { Connection } from './connection.ts';
import type { CrowdAnswer } from './crowd-answer.ts';
import { changedHead } from './head-text.ts';
import { HSTS_FIELD } from './https-only.ts';

/** What is left to send: bytes that are there, or a part of a stored body. */
type Piece = Buffer | Section;

const ALL: Section = { from: 0, to: Infinity };
const BOUNDARY_CHARACTERS = 24;

/** One of these serves all answers of a connection in turn. */
export class StoredAnswer {
  /** Coarse time of the last step forward. */
  sinceMs = 0;
  private readonly connection: Connection;
  /** Called when nothing of the request is needed any more, before the connection goes on. */
  private readonly ended: () => void;
  private body: Body | undefined;
  private reader: BodyReader | undefined;
  private pieces: Piece[] = [];
  private isChunked = false;

  constructor(connection: Connection, ended: () => void) {
    this.connection = connection;
    this.ended = ended;
  }

  /** `age` and `lines` are whole lines of the head. */
  send(
    request: CacheRequest,
    { entry, body }: { readonly entry: Entry; readonly body: Body },
    { age, lines }: { readonly age: string; readonly lines: string },
  ): void {
    const { connection } = this;
    const answer = answerWith(request, entry, {
      lines: age,
      boundary: () => randomId(BOUNDARY_CHARACTERS),
    });
    const { status, body: wanted } = answer;
    const whole = `${statusLine(status)}\r\n${answer.head}${answer.lines}${lines}`;
    // Stored is what the upstream said; the listener says it in its place.
    const isSaidHere = connection.owner.answerLines !== '';
    const head = isSaidHere ? changedHead(whole, HSTS_FIELD, '') : whole;
    if (wanted.kind === 'none') {
      this.ended();
      connection.answerBodyless(status, head);
      return;
    }
    const ready = wanted.kind === 'whole' && entry.spans === undefined ? inMemory(body) : undefined;
    if (ready === undefined) {
      this.stream(answer, head, entry, body);
      return;
    }
    this.ended();
    connection.answerBuffers(status, head, ready);
  }

  /** All of a small answer, as it goes over a connection that is kept. */
  textOf(
    request: CacheRequest,
    { entry, body }: { readonly entry: Entry; readonly body: Body },
    { age, lines }: { readonly age: string; readonly lines: string },
  ): string {
    const answer = answerWith(request, entry, { lines: age, boundary: () => '' });
    const text = body instanceof TextBody ? body.text : '';
    return `${statusLine(answer.status)}\r\n${answer.head}${answer.lines}${lines}\r\n${text}`;
  }

  /** Reads no more. */
  close(): void {
    if (this.body === undefined) return;
    this.reader?.close();
    this.reader = undefined;
    this.body = undefined;
    this.pieces = [];
  }

  /** As another one of its crowd was answered; the connection is plain. */
  sendAlike({ status, head, body, isChunked }: CrowdAnswer): void {
    const { connection } = this;
    this.isChunked = isChunked;
    this.body = body;
    this.pieces = [ALL];
    this.sinceMs = connection.plane.coarseMs;
    connection.request.status = status;
    connection.request.answering = true;
    connection.out.text(head);
    this.pump();
  }

  private stream({ status, body: wanted }: Answer, head: string, entry: Entry, body: Body): void {
    const { connection } = this;
    this.isChunked = false;
    let framing = '';
    if (wanted.kind === 'whole' && entry.length === UNKNOWN_LENGTH) {
      this.isChunked = connection.request.minor === 1;
      if (this.isChunked) framing = 'Transfer-Encoding: chunked\r\n';
      else connection.keepAlive = false;
    }
    this.body = body;
    this.pieces = answerPieces(entry, wanted).flatMap(({ before, section }) =>
      [before, section].filter((piece) => piece !== undefined),
    );
    this.sinceMs = connection.plane.coarseMs;
    connection.beginAnswer(status, `${head}${framing}`);
    // The coder frames what comes out of it.
    if (connection.out.coder !== undefined) this.isChunked = false;
    this.pump();
  }

  /** Sends what there is until the client or the body wants a pause. */
  private pump(): void {
    const { connection, body } = this;
    const { out } = connection;
    if (body === undefined) return;
    for (;;) {
      if (out.blocked) return;
      const piece = this.pieces[0];
      if (piece === undefined) {
        if (this.isChunked) out.text(LAST_CHUNK);
        this.ended();
        connection.answered();
        return;
      }
      if (Buffer.isBuffer(piece)) {
        out.owned(piece);
        this.pieces.shift();
        continue;
      }
      this.reader ??= body.read(piece, () => this.goOn());
      const read = this.reader.next();
      if (read === 'wait') return;
      if (read === 'broken') {
        this.ended();
        connection.fail(502, 'The stored answer broke off');
        return;
      }
      if (read === 'end') {
        this.reader.close();
        this.reader = undefined;
        this.pieces.shift();
        continue;
      }
      this.sinceMs = connection.plane.coarseMs;
      if (this.isChunked) out.text(chunkLine(read.length));
      out.owned(read);
      if (this.isChunked) out.text('\r\n');
    }
  }

  /** The reader of the answer keeps up again, or there is more of it. */
  goOn(): void {
    this.pump();
    this.connection.out.flush();
  }
}

function inMemory(body: Body): string | readonly Buffer[] | undefined {
  if (body instanceof TextBody) return body.text;
  return body instanceof BufferBody ? [body.buffer] : undefined;
}
