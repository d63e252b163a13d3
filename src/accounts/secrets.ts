/**
 * The shape of what people and programs present: `moln_<id>_<secret>`. The id finds the record without a search; only
 * the SHA-256 of the secret is kept, which is enough for 256 random bits (a slow hash is for passwords).
 */
import { randomId, randomSecret, sameSecret, sha256Hex } from '../base/ids.ts';

export type SecretKind = 'moln' | 'login' | 'session';

export interface NewSecret {
  readonly id: string;
  /** Shown once. */
  readonly text: string;
  /** Kept. */
  readonly hash: string;
}

/** 256 bits in base64url are 43 characters. */
const SHAPE = /^(moln|login|session)_([0-9a-z]{12})_([A-Za-z0-9_-]{43})$/;

export function newSecret(kind: SecretKind): NewSecret {
  const id = randomId(12);
  const secret = randomSecret();
  return { id, text: `${kind}_${id}_${secret}`, hash: sha256Hex(secret) };
}

export interface PresentedSecret {
  readonly id: string;
  readonly hash: string;
}

/** Undefined when the text cannot be one of this kind; says nothing about whether it is good. */
export function parseSecret(kind: SecretKind, text: string): PresentedSecret | undefined {
  const match = SHAPE.exec(text);
  const [, found, id, secret] = match ?? [];
  if (found !== kind || id === undefined || secret === undefined) return undefined;
  return { id, hash: sha256Hex(secret) };
}

/** In time that does not depend on where they differ. */
export function matches(presented: PresentedSecret, hash: string): boolean {
  return sameSecret(presented.hash, hash);
}
