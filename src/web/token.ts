/** Secrets that travel in links: the visitor has the token, the database its digest, so that who reads the one cannot use the other. */
import { createHash } from 'node:crypto';
import { randomSecret } from '../base/ids.ts';

export interface NewToken {
  /** For the link: 256 bits, base64url. */
  readonly token: string;
  /** For the table. */
  readonly digest: string;
}

/** `const { token, digest } = newToken();`: the token goes into the link, the digest into the table. */
export function newToken(): NewToken {
  const token = randomSecret();
  return { token, digest: digestOf(token) };
}

/** SHA-256, base64url. For what is random and long; passwords need `hashPassword`. */
export function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
