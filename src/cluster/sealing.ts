/**
 * Seals small values before they go into the registry: AES-256-GCM with a key that only the nodes have. A sealed value
 * opens only under the context (its registry key) that it was sealed for.
 *
 * Format 1: byte 1 · key id (8 bytes) · nonce (12 bytes) · ciphertext · tag (16 bytes).
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { dataDamaged, dataTooNew, sealBroken, sealKeyUnknown } from './errors.ts';

const FORMAT = 1;
const KEY_BYTES = 32;
const KEY_ID_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES: number = 1 + KEY_ID_BYTES;

export class Sealer {
  /** First 8 bytes of the key's SHA-256, in hex. */
  readonly keyId: string;
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
    this.keyId = createHash('sha256')
      .update(key)
      .digest()
      .subarray(0, KEY_ID_BYTES)
      .toString('hex');
  }

  /** The text of the key's file, for a node that joins. Nobody else may ever see it. */
  exportKey(): string {
    return `moln-seal-key ${FORMAT} ${Buffer.from(this.#key).toString('base64')}\n`;
  }

  seal(value: string | Uint8Array, context: string): Uint8Array {
    const header = Buffer.concat([Buffer.of(FORMAT), Buffer.from(this.keyId, 'hex')]);
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.concat([header, Buffer.from(context)]));
    const bytes = Buffer.concat([cipher.update(value), cipher.final()]);
    return Buffer.concat([header, nonce, bytes, cipher.getAuthTag()]);
  }

  /** Throws `CLUSTER_SEAL_BROKEN` when a byte or the context differs, `CLUSTER_SEAL_KEY` for another key's value. */
  open(sealed: Uint8Array, context: string): Buffer {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    if (bytes.length < HEADER_BYTES + NONCE_BYTES + TAG_BYTES) throw sealBroken(context);
    const format = bytes.readUInt8(0);
    if (format > FORMAT) throw dataTooNew(context, format, FORMAT);
    const header = bytes.subarray(0, HEADER_BYTES);
    const keyId = header.toString('hex', 1);
    if (keyId !== this.keyId) {
      throw sealKeyUnknown(context, this.keyId, keyId);
    }
    const nonce = bytes.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.concat([header, Buffer.from(context)]));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const secret = bytes.subarray(HEADER_BYTES + NONCE_BYTES, -TAG_BYTES);
    try {
      return Buffer.concat([decipher.update(secret), decipher.final()]);
    } catch (error) {
      throw sealBroken(context, error);
    }
  }
}

/** The key of `path`, or a new one in a new file with mode 0600 when `create` is set. */
export async function openSealer(
  path: string,
  options: { readonly create: boolean },
): Promise<Sealer | undefined> {
  const text = await readTextIfAny(path);
  if (text !== undefined) return new Sealer(parseKeyFile(path, text));
  if (!options.create) return undefined;
  const sealer = new Sealer(randomBytes(KEY_BYTES));
  await writeFileAtomic(path, sealer.exportKey());
  return sealer;
}

/** Writes the key that another node has exported. Throws `CLUSTER_DATA_DAMAGED` and `CLUSTER_DATA_TOO_NEW`. */
export async function importSealer(path: string, text: string): Promise<Sealer> {
  const sealer = new Sealer(parseKeyFile(path, text));
  await writeFileAtomic(path, sealer.exportKey());
  return sealer;
}

function parseKeyFile(path: string, text: string): Uint8Array {
  const match = /^moln-seal-key (\d+) (\S+)\n$/.exec(text);
  if (match === null) throw dataDamaged(path, 'it is not a sealing key');
  const format = Number(match[1]);
  if (format > FORMAT) throw dataTooNew(path, format, FORMAT);
  const key = Buffer.from(match[2] ?? '', 'base64');
  if (key.length !== KEY_BYTES) {
    throw dataDamaged(path, `its key has ${key.length} bytes, want ${KEY_BYTES}`);
  }
  return key;
}
