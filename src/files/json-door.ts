/**
 * Questions in JSON to a server over its unix socket, each answered in JSON with a stated length, over connections that are kept; one question at a time on each.
 * Past node:http, which costs this process more than the rest of such a question.
 */
import { connect, type Socket } from 'node:net';
import { BODY, ResponseFraming } from '../http/framing.ts';
import { ResponseHead } from '../http/head.ts';
import { RESPONSE_HEAD_LIMITS } from '../http/limits.ts';
import { DirectWriter, takeReads } from '../net/net.ts';

export interface JsonDoorOptions {
  readonly socketPath: string;
  readonly path: string;
  /** Lines, each with its end. */
  readonly fields: string;
  readonly answerBytesMax: number;
  /** A connection on which nothing moves for so long while somebody waits is given up. */
  readonly silentMs: number;
  /** One that nobody uses for so long is let go of: before the server does it, or a question may be on its way just then. */
  readonly idleMs: number;
}

export interface JsonAnswer {
  readonly status: number;
  readonly value: unknown;
}

/** Idle ones that are kept. */
const IDLE_MAX = 16;
const NOTHING: Buffer = Buffer.alloc(0);

export class JsonDoor implements Disposable {
  readonly #options: JsonDoorOptions;
  /** The one that was used last comes first. */
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();

  constructor(options: JsonDoorOptions) {
    this.#options = options;
  }

  /** Of any status. Rejects when there is no whole answer, or none in JSON. */
  async ask(question: unknown): Promise<JsonAnswer> {
    const kept = this.#idle.pop();
    const connection = kept === undefined || kept.isOver ? this.#open() : kept;
    const answer = await connection.ask(question);
    if (!connection.isOver && this.#idle.length < IDLE_MAX) this.#idle.push(connection);
    else connection.close();
    return answer;
  }

  [Symbol.dispose](): void {
    for (const connection of this.#all) connection.close();
  }

  #open(): Connection {
    const connection = new Connection(this.#options, () => {
      this.#all.delete(connection);
      const at = this.#idle.indexOf(connection);
      if (at >= 0) this.#idle.splice(at, 1);
    });
    this.#all.add(connection);
    return connection;
  }
}

class Connection {
  readonly #options: JsonDoorOptions;
  readonly #socket: Socket;
  readonly #writer: DirectWriter;
  readonly #head = new ResponseHead(RESPONSE_HEAD_LIMITS);
  readonly #framing = new ResponseFraming();
  #asked: PromiseWithResolvers<JsonAnswer> | undefined;
  /** Of the answer. */
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Of head and body; undefined until the head is there. */
  #wanted: number | undefined;
  #keeps = true;
  #why: Error | undefined;

  constructor(options: JsonDoorOptions, onGone: () => void) {
    this.#options = options;
    this.#socket = connect({ path: options.socketPath });
    this.#writer = new DirectWriter(this.#socket);
    takeReads(this.#socket, (buffer, size) => this.#take(buffer, size));
    this.#socket.on('error', (error) => (this.#why ??= error));
    this.#socket.on('timeout', () => this.#give(new Error('it said nothing for too long')));
    this.#socket.on('end', () => this.#socket.destroy());
    this.#socket.on('close', () => {
      this.#keeps = false;
      onGone();
      this.#asked?.reject(this.#why ?? new Error('the connection ended'));
    });
  }

  /** It takes no more questions. */
  get isOver(): boolean {
    return !this.#keeps || this.#socket.destroyed;
  }

  ask(question: unknown): Promise<JsonAnswer> {
    const { path, fields, silentMs } = this.#options;
    const asked = Promise.withResolvers<JsonAnswer>();
    this.#asked = asked;
    const body = JSON.stringify(question);
    const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${fields}content-length: `;
    this.#socket.setTimeout(silentMs);
    this.#writer.write(
      Buffer.from(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`),
      () => undefined,
    );
    return asked.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #give(why: Error): void {
    this.#why ??= why;
    this.#socket.destroy();
  }

  #take(buffer: Buffer, size: number): void {
    const { answerBytesMax, silentMs } = this.#options;
    if (this.#asked === undefined) return this.#give(new Error('it answered what nobody asked'));
    this.#pieces.push(Buffer.from(buffer.subarray(0, size)));
    this.#bytes += size;
    this.#socket.setTimeout(silentMs);
    try {
      this.#wanted ??= this.#lookAtHead();
      if (this.#bytes > answerBytesMax) throw new Error('its answer is too long');
      if (this.#wanted === undefined || this.#bytes < this.#wanted) return;
      if (this.#bytes > this.#wanted) throw new Error('it answered what nobody asked');
      this.#answered(this.#asked, Buffer.concat(this.#pieces));
    } catch (error) {
      this.#give(error as Error);
    }
  }

  #lookAtHead(): number | undefined {
    const bytes = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#head.reset(0);
    if (!this.#head.scan(bytes ?? NOTHING, this.#bytes)) return undefined;
    this.#framing.read(this.#head, false);
    if (this.#framing.kind !== BODY.length) throw new Error('its answer has no length');
    return this.#head.end + this.#framing.length;
  }

  #answered(asked: PromiseWithResolvers<JsonAnswer>, bytes: Buffer): void {
    const value: unknown = JSON.parse(bytes.toString('utf8', this.#head.end));
    this.#keeps = this.#framing.keepAlive;
    this.#pieces = [];
    this.#bytes = 0;
    this.#wanted = undefined;
    this.#asked = undefined;
    this.#socket.setTimeout(this.#options.idleMs);
    asked.resolve({ status: this.#head.status, value });
  }
}
