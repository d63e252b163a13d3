/**
 * NDJSON between agent and gateway workers: one JSON object a line over a unix socket, both ways, with a limit on the
 * length of a line. What does not fit or does not parse ends the connection; the processes live on.
 */
import type { Socket } from 'node:net';
import { MolnError } from '../base/errors.ts';
import { GATEWAY_PROTOCOL } from './errors.ts';

/** A config with 10,000 routes and their certificates stays below it. */
export const LINE_BYTES_MAX: number = 64 * 1024 * 1024;

/** Grows with incompatible changes of `GatewayCommand` and `GatewayReply`. */
export const CONTROL_PROTOCOL = 1;

const NEWLINE = 0x0a;

export interface MessageHandlers<In> {
  readonly onMessage: (message: In) => void;
  /** Called once, when the socket has ended for whatever reason. */
  readonly onClose: (error: Error | undefined) => void;
}

/** One side of a control connection; `In` and `Out` are trusted to be what the peer of the same version sends. */
export class MessageChannel<In extends object, Out extends object> {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #error: Error | undefined;

  constructor(socket: Socket, handlers: MessageHandlers<In>) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk, handlers.onMessage));
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => handlers.onClose(this.#error));
  }

  /** False when the connection has ended; the message is then lost, and `onClose` has come or will come. */
  send(message: Out): boolean {
    if (!this.#socket.writable) return false;
    this.#socket.write(`${JSON.stringify(message)}\n`);
    return true;
  }

  close(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer, onMessage: (message: In) => void): void {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end < 0) break;
      this.#chunks.push(chunk.subarray(from, end));
      const line = Buffer.concat(this.#chunks);
      this.#chunks = [];
      this.#bytes = 0;
      from = end + 1;
      const message = parseLine<In>(line);
      if (message === undefined) return this.#refuse('The other side sent a line that is not JSON');
      onMessage(message);
      if (this.#socket.destroyed) return;
    }
    const rest = chunk.subarray(from);
    if (rest.length === 0) return;
    this.#bytes += rest.length;
    if (this.#bytes > LINE_BYTES_MAX) {
      this.#refuse(`The other side sent a line of more than ${LINE_BYTES_MAX} bytes`);
      return;
    }
    this.#chunks.push(rest);
  }

  #refuse(sentence: string): void {
    this.#error = new MolnError(GATEWAY_PROTOCOL, sentence);
    this.#socket.destroy();
  }
}

function parseLine<In extends object>(line: Buffer): In | undefined {
  try {
    const value: unknown = JSON.parse(line.toString());
    return typeof value === 'object' && value !== null ? (value as In) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
