/** The keys that sign tokens of databases, as records have them: sealed, for nodes alone. */
import type { DatabaseRecord } from './records.ts';
import { newTokenKey } from './tokens.ts';

/** Seals what only nodes may read. */
export interface KeySealer {
  seal(plain: Uint8Array, context: string): Uint8Array;
  open(sealed: Uint8Array, context: string): Uint8Array;
}

export class TokenKeys {
  readonly #sealer: KeySealer;

  constructor(sealer: KeySealer) {
    this.#sealer = sealer;
  }

  /** A new one for the database of that id. */
  make(id: string): string {
    return Buffer.from(this.#sealer.seal(newTokenKey(), contextOf(id))).toString('base64');
  }

  of({ tokenKey, id }: Pick<DatabaseRecord, 'tokenKey' | 'id'>): Uint8Array {
    return this.#sealer.open(Buffer.from(tokenKey, 'base64'), contextOf(id));
  }
}

function contextOf(id: string): string {
  return `database-tokens/${id}`;
}
