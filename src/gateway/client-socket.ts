/** What a `Connection` needs of the socket of its client: one of `net`, or one stream of an HTTP/2 connection. */
export interface ClientSocket {
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  /** All that was written has left, and no more will come. */
  readonly writableFinished: boolean;
  readonly writableNeedDrain: boolean;
  /** Bytes that wait. */
  readonly writableLength: number;
  write(text: string, encoding: 'latin1'): unknown;
  write(bytes: Uint8Array, done?: () => void): unknown;
  cork(): void;
  uncork(): void;
  end(): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
  setKeepAlive(on: boolean, delayMs: number): unknown;
  on(event: 'data', take: (chunk: Buffer) => void): unknown;
  on(event: 'error', take: (error: Error) => void): unknown;
  on(event: 'drain' | 'end' | 'close', take: () => void): unknown;
}
