/**
 * GETs of one path over kept connections, a fifth of the work of `node:http`: load runs beside what is tested, on the same
 * cores. It reads what our own apps and sites answer, by length or in chunks, and nothing else.
 */
import { connect, type Socket } from 'node:net';
import type { Answer } from './http.ts';

const TIMEOUT_MS = 20_000;
const HEAD_END = '\r\n\r\n';
const CHUNKS_END = '0\r\n\r\n';

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export interface SteadyTarget {
  readonly address: string;
  readonly port: number;
  readonly host: string;
  readonly path: string;
}

export class SteadyClient implements Disposable {
  readonly #target: SteadyTarget;
  readonly #request: string;
  readonly #idle: Line[] = [];
  readonly #all = new Set<Line>();

  constructor(target: SteadyTarget) {
    this.#target = target;
    this.#request = `GET ${target.path} HTTP/1.1\r\nHost: ${target.host}\r\n\r\n`;
  }

  /** Rejects when the connection fails or breaks off; any status is an answer. */
  get(): Promise<Answer> {
    const line = this.#idle.pop() ?? this.#open();
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    line.ask(this.#request, { resolve, reject });
    return promise;
  }

  [Symbol.dispose](): void {
    for (const line of this.#all) line.end();
  }

  #open(): Line {
    const { address, port } = this.#target;
    const line: Line = new Line(connect({ host: address, port, noDelay: true }), {
      idle: () => this.#idle.push(line),
      gone: () => {
        this.#all.delete(line);
        const at = this.#idle.indexOf(line);
        if (at >= 0) this.#idle.splice(at, 1);
      },
    });
    this.#all.add(line);
    return line;
  }
}

/** One connection, with at most one request under way. */
class Line {
  readonly #socket: Socket;
  readonly #idle: () => void;
  #text = '';
  #waiting: Waiting | undefined;

  constructor(socket: Socket, on: { readonly idle: () => void; readonly gone: () => void }) {
    this.#socket = socket;
    this.#idle = on.idle;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#take(text));
    socket.once('timeout', () => socket.destroy(new Error('no answer in time')));
    socket.once('error', (error) => this.#fail(error));
    socket.once('close', () => {
      on.gone();
      this.#fail(new Error('the connection was closed before the answer was complete'));
    });
  }

  ask(request: string, waiting: Waiting): void {
    this.#waiting = waiting;
    this.#socket.setTimeout(TIMEOUT_MS);
    this.#socket.write(request);
  }

  end(): void {
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }

  #take(text: string): void {
    this.#text += text;
    const headEnd = this.#text.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#text.slice(0, headEnd + 2);
    const rest = this.#text.slice(headEnd + HEAD_END.length);
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
    if (length === undefined ? !rest.endsWith(CHUNKS_END) : rest.length < Number(length)) return;
    const body = Buffer.from(length === undefined ? unchunked(rest) : rest, 'latin1');
    const waiting = this.#waiting;
    this.#text = '';
    this.#waiting = undefined;
    this.#socket.setTimeout(0);
    if (/\r\nconnection: *close\r\n/i.test(head)) this.end();
    else this.#idle();
    waiting?.resolve({
      status: Number(head.slice(9, 12)),
      headers: {},
      body: body.toString('utf8'),
    });
  }
}

function unchunked(text: string): string {
  let body = '';
  for (let at = 0; ;) {
    const lineEnd = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (!(size > 0)) return body;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
