/**
 * One large upload that comes to the API, led to the file process as bytes: exactly its own body and nothing behind it, so that nobody speaks to the private
 * socket in its wake. The answer comes back as it is, and the connection ends with it. Owns both sockets.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../base/time.ts';
import { takeReads } from '../net/net.ts';

export interface LedUploadOptions {
  readonly client: Socket;
  /** To the file process, being connected; what it says can be read after it has closed. */
  readonly near: Socket;
  /** Of the request, for the file process. */
  readonly head: string;
  /** Of the body, in bytes. */
  readonly length: number;
  /** Of the body, what has been read. */
  readonly begun: Buffer;
  /** An answer when the file process gives none; `error`: why, when it is known. */
  readonly lost: (error: unknown) => string;
  readonly clock: Clock;
  /** For so long the rest of a refused body is dropped, so that the client gets to read why. */
  readonly lingerMs: number;
}

const CONTINUE: Buffer = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

export class LedUpload {
  readonly #options: LedUploadOptions;
  /** Bytes of the body that are still to come. */
  #left: number;
  /** For bytes that do not last until they are sent: those that come by TLS. */
  #copied: Buffer | undefined;
  /** Of the answer itself, something has come. */
  #isAnswered = false;
  #why: unknown;

  constructor(options: LedUploadOptions) {
    this.#options = options;
    this.#left = options.length;
  }

  start(): void {
    const { client, near, head, begun } = this.#options;
    near.write(head, 'latin1');
    near.once('connect', () => {
      takeReads(near, (buffer, size) => this.#answer(Buffer.from(buffer.subarray(0, size))));
    });
    near.on('error', (error) => (this.#why = error)).once('close', () => this.#ended());
    client.once('close', () => near.destroy());
    // Whoever sends no more in the middle of a body has left.
    const sentAll = (): void => {
      if (this.#left > 0) client.destroy();
    };
    client.once('end', sentAll);
    takeReads(client, (...read) => this.#take(...read), { mayOwn: true });
    this.#take(begun, begun.length, true);
    // That may have been said before anybody listened here.
    if (client.readableEnded) sentAll();
  }

  #take(buffer: Buffer, size: number, lasts: boolean): void {
    const { client, near } = this.#options;
    const own = Math.min(size, this.#left);
    this.#left -= own;
    if (own === 0 || near.destroyed) return;
    let bytes = buffer.subarray(0, own);
    if (!lasts) {
      this.#copied ??= Buffer.allocUnsafeSlow(buffer.length);
      bytes.copy(this.#copied);
      bytes = this.#copied.subarray(0, own);
    }
    near.write(bytes, this.#goOn);
    // Nothing else is read before the kernel has it, so nothing else is written where it lies.
    if (near.writableLength > 0) client.pause();
  }

  readonly #goOn = (): void => {
    const { client, near } = this.#options;
    if (near.writableLength === 0 && client.isPaused()) client.resume();
  };

  /** Short: what became of the upload. */
  #answer(bytes: Buffer): void {
    const isFirst = !this.#isAnswered && bytes.subarray(0, CONTINUE.length).equals(CONTINUE);
    this.#isAnswered = isFirst ? bytes.length > CONTINUE.length : true;
    this.#options.client.write(bytes);
  }

  #ended(): void {
    const { client, clock, lingerMs, lost } = this.#options;
    if (client.destroyed) return;
    if (!this.#isAnswered) client.write(lost(this.#why));
    client.end();
    client.resume();
    const timer = clock.after(this.#left > 0 ? lingerMs : 0, () => client.destroySoon());
    client.once('close', () => timer[Symbol.dispose]());
  }
}
