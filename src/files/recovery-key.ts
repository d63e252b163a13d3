/**
 * The key under which the cluster seals the data keys of encrypted objects, as people keep it: with it the objects on the disks of a lost
 * cluster can be read, and nothing else be done. A check is in it, so that one that was mistyped is not taken for another cluster's.
 */
import { createHash } from 'node:crypto';
import { recoveryKeyWrong } from './errors.ts';
import { deriveKey } from './secrets.ts';

const PREFIX = 'moln-recovery-1-';
const KEY_BYTES = 32;
const CHECK_BYTES = 4;

/** Of the cluster's key of files. */
export function encryptionKey(clusterKey: Uint8Array): Uint8Array {
  return deriveKey(clusterKey, 'encryption');
}

/** Seals what lies on rented storages; the recovery key, which is the encryption key, opens that, too. */
export function rentedKey(key: Uint8Array): Uint8Array {
  return deriveKey(key, 'rented storages');
}

export function printRecoveryKey(key: Uint8Array): string {
  return `${PREFIX}${Buffer.concat([key, checkOf(key)]).toString('base64url')}`;
}

/** Space around it does not count. Throws `FILES_RECOVERY_KEY`. */
export function readRecoveryKey(text: string): Uint8Array {
  const plain = text.trim();
  const bytes = Buffer.from(plain.slice(PREFIX.length), 'base64url');
  const key = bytes.subarray(0, KEY_BYTES);
  const isKey =
    plain.startsWith(PREFIX) &&
    bytes.length === KEY_BYTES + CHECK_BYTES &&
    checkOf(key).equals(bytes.subarray(KEY_BYTES));
  if (!isKey) throw recoveryKeyWrong();
  return new Uint8Array(key);
}

function checkOf(key: Uint8Array): Buffer {
  return createHash('sha256').update(PREFIX).update(key).digest().subarray(0, CHECK_BYTES);
}
