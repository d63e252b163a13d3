/**
 * Calls between database processes of two nodes, over one stream of bytes in both directions. A frame is its length (4 bytes) and a
 * message as `node:v8` writes it: whole numbers, blobs and nested rows go through as they are. Both sides are nodes of one cluster.
 */
import type { Duplex } from 'node:stream';
import { deserialize, serialize } from 'node:v8';
import { MolnError } from '../base/errors.ts';
import type { FailureBody } from '../database/database.ts';

export interface PeerRequest {
  readonly id: number;
  readonly call: string;
  readonly args: readonly unknown[];
}

export type PeerReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: FailureBody };

const HEAD_BYTES = 4;
/** An entry of the log, or the answer of one statement, with room. */
export const FRAME_BYTES_MAX: number = 160 * 1024 * 1024;

export class PeerFrames<In, Out> {
  readonly #stream: Duplex;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(
    stream: Duplex,
    on: { readonly message: (message: In) => void; readonly close: (why: string) => void },
  ) {
    this.#stream = stream;
    let why = 'the connection ended';
    stream.on('data', (chunk: Buffer) => this.#take(chunk, on.message));
    stream.on('error', (error: Error) => {
      why = error.message;
    });
    stream.on('end', () => stream.end());
    stream.once('close', () => on.close(why));
    // Whoever made the connection may have paused it.
    stream.resume();
  }

  send(message: Out): void {
    const body = serialize(message);
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32BE(body.length);
    this.#stream.cork();
    this.#stream.write(head);
    this.#stream.write(body);
    process.nextTick(() => this.#stream.uncork());
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #take(chunk: Buffer, onMessage: (message: In) => void): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= HEAD_BYTES) {
      const [first = Buffer.alloc(0)] = this.#chunks;
      if (first.length < HEAD_BYTES) this.#join();
      const length = this.#chunks[0]?.readUInt32BE(0) ?? 0;
      if (length > FRAME_BYTES_MAX) {
        this.#stream.destroy(
          new MolnError('DATABASES_FRAME', `A message of ${length} bytes is too long`),
        );
        return;
      }
      if (this.#bytes < HEAD_BYTES + length) return;
      this.#join();
      const [all = Buffer.alloc(0)] = this.#chunks;
      const message = deserialize(all.subarray(HEAD_BYTES, HEAD_BYTES + length)) as In;
      const rest = all.subarray(HEAD_BYTES + length);
      this.#chunks = rest.length === 0 ? [] : [rest];
      this.#bytes = rest.length;
      onMessage(message);
    }
  }

  #join(): void {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
  }
}
