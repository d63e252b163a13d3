/**
 * Encryption of what lies on the storages. Each object has a data key of its own, kept with it and sealed: by a key of the cluster, or by one
 * that the client brings with each request and nobody keeps. Every content that is written with a data key has a key of its own derived from it, so that
 * parts, segments and copies within a bucket need nothing further.
 *
 * AES-256 in counter mode: a byte stays where it was, so that ranges, sizes and quotas are as ever. A byte that changes on a disk is found by
 * the checksums of its block. Sealed is with AES-256-GCM (`secrets.ts`).
 */
import { createCipheriv, createHmac, randomBytes } from 'node:crypto';
import { isMolnError } from '../base/errors.ts';
import { encrypted, encryptionKeyWrong } from './errors.ts';
import type { Encryption, EncryptionWish } from './model.ts';
import { deriveKey, seal, unseal } from './secrets.ts';

const KEY_BYTES = 32;
const AES_BLOCK_BYTES = 16;
const ETAG_DIGITS = 32;

/** Of one object, while it is written or read. */
export interface DataKey {
  readonly secret: Uint8Array;
  /** What is kept of it. */
  readonly kept: Encryption;
}

export class Keyring {
  readonly #key: () => Uint8Array;

  /** `key`: see `encryptionKey`. */
  constructor(key: () => Uint8Array) {
    this.#key = key;
  }

  /** For a new object. */
  make(bucket: string, wish: EncryptionWish): DataKey {
    const secret = randomBytes(KEY_BYTES);
    const name = wish.by === 'named' ? { name: wish.name } : {};
    return {
      secret,
      kept: { by: wish.by, key: sealedBy(this.#keyOf(wish), secret, bucket), ...name },
    };
  }

  /** Of one that another cluster has made, not of a client's. */
  keptHere(bucket: string, { secret, kept }: DataKey): Encryption {
    return { ...kept, key: sealedBy(this.#keyOf(wishOf(kept)), secret, bucket) };
  }

  canOpen(bucket: string, kept: Encryption): boolean {
    try {
      this.open(bucket, kept);
      return true;
    } catch (error) {
      if (isMolnError(error)) return false;
      throw error;
    }
  }

  /** Throws `FILES_ENCRYPTED` when the client's key is missing, `FILES_ENCRYPTION_KEY` when it is another one. */
  open(bucket: string, kept: Encryption, clientKey?: Uint8Array): DataKey {
    if (kept.by === 'client' && clientKey === undefined) throw encrypted();
    try {
      const secret = unseal(
        this.#keyOf(wishOf(kept, clientKey)),
        Buffer.from(kept.key, 'base64'),
        bucket,
      );
      return { secret: Buffer.from(secret, 'base64'), kept };
    } catch (error) {
      throw encryptionKeyWrong({ cause: error });
    }
  }

  #keyOf(wish: EncryptionWish): Uint8Array {
    if (wish.by === 'client') return wish.key;
    return wish.by === 'named' ? deriveKey(this.#key(), `by ${wish.name}`) : this.#key();
  }
}

function wishOf({ by, name = '' }: Encryption, clientKey?: Uint8Array): EncryptionWish {
  if (by === 'client') return { by, key: clientKey ?? new Uint8Array() };
  return by === 'named' ? { by, name } : { by };
}

function sealedBy(key: Uint8Array, secret: Uint8Array, bucket: string): string {
  const plain = Buffer.from(secret).toString('base64');
  return Buffer.from(seal(key, plain, bucket)).toString('base64');
}

/** Both ways. `at`: where in the content the first byte belongs. */
export function coderOf(
  secret: Uint8Array,
  fid: string,
  at: number,
): (piece: Uint8Array) => Uint8Array {
  const counter = Buffer.alloc(AES_BLOCK_BYTES);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / AES_BLOCK_BYTES)), AES_BLOCK_BYTES / 2);
  const cipher = createCipheriv('aes-256-ctr', deriveKey(secret, `content ${fid}`), counter);
  cipher.update(Buffer.alloc(at % AES_BLOCK_BYTES));
  return (piece) => cipher.update(piece);
}

/** What the bucket asks for where a request asks for nothing: the default of its setting `encryption`. */
export function usualEncryption(
  settings: Readonly<Record<string, unknown>>,
): EncryptionWish | undefined {
  const setting = settings['encryption'] as
    | { readonly usual?: Exclude<EncryptionWish, { by: 'client' }> }
    | undefined;
  return setting?.usual;
}

/** Whether bytes that are kept so may be shared with an object that is to be kept so. */
export function isKeptSo(kept: Encryption | undefined, wish: EncryptionWish | undefined): boolean {
  if (kept === undefined || wish === undefined) return kept === wish;
  if (kept.by === 'client' || kept.by !== wish.by) return false;
  return wish.by === 'cluster' || kept.name === wish.name;
}

/** The MD5 of a content tells what is in it to whoever guesses; only where the cluster's own key seals it is it the entity tag. */
export function etagOf(md5: string, key: DataKey | undefined): string {
  if (key === undefined || key.kept.by === 'cluster') return md5;
  return createHmac('sha256', key.secret).update(md5).digest('hex').slice(0, ETAG_DIGITS);
}
