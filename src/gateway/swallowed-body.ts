/** The body of an upstream's answer in whose place a page of the route was sent: it is read to its end, and nothing of it leaves. */
import type { Connection } from './connection.ts';
import type { BodyTaker } from './outbox.ts';

export class SwallowedBody implements BodyTaker {
  readonly blocked = false;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  write(_bytes: Buffer, done?: () => void): void {
    done?.();
  }

  end(): void {
    this.#connection.out.coder = undefined;
    this.#connection.answered();
  }

  pass(): void {}
  resume(): void {}
  destroy(): void {}
}
