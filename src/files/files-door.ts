/**
 * Requests for `/files/…` that come to the API, on their way to the file process. Objects that are read come past node:http, in pieces that are given back:
 * to collect what node:http makes of them costs the agent more than all else. The rest takes the way of the databases' requests.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { BodyDoor } from '../blobs/blobs.ts';
import {
  ApiDoor,
  type DoorWords,
  HearingSocket,
  onwardHeaders,
  type Origin,
  unavailable,
  unavailableText,
} from '../databases/databases.ts';
import type { Clock } from '../base/time.ts';
import { sendPieces } from '../http/answer.ts';
import { DirectWriter } from '../net/net.ts';
import { filesAway, filesLost } from './errors.ts';
import { LedUpload } from './led-upload.ts';
import {
  API_READ_IDLE_MS,
  API_READS_MAX,
  READER_STALL_MS,
  REFUSED_BODY_LINGER_MS,
} from './limits.ts';

const WORDS: DoorWords = {
  away: JSON.stringify({ error: filesAway('it is being started') }),
  lost: JSON.stringify({ error: filesLost() }),
};

/** A large upload at the beginning of a connection of the API. */
export interface Upload {
  readonly socket: Socket;
  readonly method: string;
  /** Begins with `/files`. */
  readonly url: string;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the body, in bytes. */
  readonly length: number;
  /** Of the body, what has been read. */
  readonly begun: Buffer;
  readonly isLocal: boolean;
}

export class FilesDoor implements Disposable {
  readonly #socket: string;
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #rest: ApiDoor;
  readonly #reads: BodyDoor;

  /** `socket`: the private one of the process. `stallMs`: a client that takes nothing of an answer for so long is cut, at twice that at the latest. */
  constructor(socket: string, clock: Clock, stallMs: number = READER_STALL_MS) {
    this.#socket = socket;
    this.#clock = clock;
    this.#stallMs = stallMs;
    this.#rest = new ApiDoor(socket, WORDS);
    this.#reads = new BodyDoor({
      connect: () => connected(socket),
      connections: API_READS_MAX,
      idleMs: API_READ_IDLE_MS,
    });
  }

  /** Never rejects; resolves when the answer is out or the client has left. */
  async serve(request: IncomingMessage, response: ServerResponse, origin: Origin): Promise<void> {
    if (isRead(request)) await this.#read(request, response, origin);
    else await this.#rest.serve(request, response, origin);
  }

  /** Takes the connection over. */
  lead(upload: Upload): void {
    const { socket, method, url, headers, length, begun, isLocal } = upload;
    const fields = Object.entries(onwardHeaders({ headers, httpVersion: '1.1' }, { isLocal }));
    const lines = fields.map(([name, value]) => `${name}: ${String(value)}\r\n`);
    new LedUpload({
      client: socket,
      near: new HearingSocket().connect(this.#socket),
      head: `${method} ${url} HTTP/1.1\r\nconnection: close\r\n${lines.join('')}\r\n`,
      length,
      begun,
      lost: (error) => unavailableText(error, WORDS),
      clock: this.#clock,
      lingerMs: REFUSED_BODY_LINGER_MS,
    }).start();
  }

  [Symbol.dispose](): void {
    this.#reads[Symbol.dispose]();
    this.#rest[Symbol.dispose]();
  }

  /** One that takes nothing holds a connection to the process, of which there are so many; while that one is not ready, nobody is cut. */
  #watch(response: ServerResponse): Disposable | undefined {
    const { socket } = response;
    if (socket === null) return undefined;
    const writer = new DirectWriter(socket);
    let taken = -1;
    return this.#clock.every(this.#stallMs, () => {
      const before = taken;
      // In the middle of a large write too: a TLS socket itself hears only of its end.
      taken = socket.bytesWritten - writer.unsentBytes;
      if (response.writableLength > 0 && taken === before) response.destroy();
    });
  }

  async #read(request: IncomingMessage, response: ServerResponse, origin: Origin): Promise<void> {
    response.on('error', () => undefined);
    if (response.socket === null) await turnOf(request, response);
    if (response.socket === null) return;
    try {
      const { host: _host, ...fieldsOn } = onwardHeaders(request, origin);
      const headers = Object.fromEntries(
        Object.entries(fieldsOn).map(([name, value]) => [name, String(value)]),
      );
      const path = request.url ?? '';
      const answer = await this.#reads.ask({ method: 'GET', path, headers });
      const { connection: _connection, 'keep-alive': _keepAlive, ...fields } = answer.headers;
      response.writeHead(answer.status, fields);
      using _looks = this.#watch(response);
      await sendPieces(response, answer.body);
    } catch (error) {
      // Where the answer had begun, that it breaks off tells the client.
      unavailable(response, (error as Error).cause, WORDS);
    }
  }
}

/** Of whatever may be long, in a request that is whole with its head. */
function isRead({ method, headers }: IncomingMessage): boolean {
  const { expect, 'content-length': length = '0', 'transfer-encoding': coding } = headers;
  return method === 'GET' && length === '0' && coding === undefined && expect === undefined;
}

/** Until the answers before it on its connection are out, or the client has left: an answer without a socket is not watched, and hears of no end. */
async function turnOf(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('socket', () => resolve());
  request.once('close', () => {
    if (request.socket.destroyed) resolve();
  });
  if (!request.socket.destroyed) await promise;
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path);
  await once(socket, 'connect');
  return socket;
}
