/** What a commit may be, checked before any engine sees it, so that all engines refuse the same. Pure. */
import type { Condition, Operation } from './contract.ts';
import { duplicateKey, keyInvalid, tooLarge, tooMany } from './errors.ts';
import {
  COMMIT_BYTES_MAX,
  CONDITIONS_MAX,
  KEY_BYTES_MAX,
  OPERATIONS_MAX,
  VALUE_BYTES_MAX,
} from './limits.ts';

/** Throws `REGISTRY_KEY_INVALID` or `REGISTRY_TOO_LARGE`. Gives its size in UTF-8. */
export function checkKey(key: string): number {
  if (key === '') throw keyInvalid(key, 'is empty');
  return checkPrefix(key);
}

/** As `checkKey`, but the empty prefix is fine: it means every key. */
export function checkPrefix(prefix: string): number {
  if (!prefix.isWellFormed()) throw keyInvalid(prefix, 'is not valid Unicode');
  if (prefix.includes('\0')) throw keyInvalid(prefix, 'has a NUL character');
  const bytes = Buffer.byteLength(prefix);
  if (bytes > KEY_BYTES_MAX) {
    throw tooLarge(`Key "${prefix.slice(0, 64)}…"`, bytes, KEY_BYTES_MAX);
  }
  return bytes;
}

/**
 * Throws when etcd would refuse the commit: too many parts, too many bytes, or one key written twice. etcd also
 * counts a put under a prefix that the same commit deletes as a double write.
 */
export function checkCommit(
  conditions: readonly Condition[],
  operations: readonly Operation[],
): void {
  if (conditions.length > CONDITIONS_MAX) {
    throw tooMany('conditions', conditions.length, CONDITIONS_MAX);
  }
  if (operations.length > OPERATIONS_MAX) {
    throw tooMany('operations', operations.length, OPERATIONS_MAX);
  }
  let bytes = 0;
  for (const condition of conditions) {
    if (!Number.isSafeInteger(condition.revision) || condition.revision < 0) {
      throw keyInvalid(condition.key, `cannot have revision ${condition.revision}`);
    }
    bytes += checkKey(condition.key);
  }
  for (const operation of operations) bytes += checkOperation(operation);
  if (bytes > COMMIT_BYTES_MAX) throw tooLarge('A commit', bytes, COMMIT_BYTES_MAX);
  checkDistinct(operations);
}

function checkOperation(operation: Operation): number {
  switch (operation.kind) {
    case 'delete':
      return checkKey(operation.key);
    case 'deletePrefix':
      return checkKey(operation.prefix);
    case 'put': {
      const bytes = operation.value.byteLength;
      if (bytes > VALUE_BYTES_MAX) {
        throw tooLarge(`The value of key "${operation.key}"`, bytes, VALUE_BYTES_MAX);
      }
      return checkKey(operation.key) + bytes;
    }
  }
}

function checkDistinct(operations: readonly Operation[]): void {
  const keys = new Set<string>();
  const prefixes = new Set<string>();
  for (const operation of operations) {
    const [name, known] =
      operation.kind === 'deletePrefix' ? [operation.prefix, prefixes] : [operation.key, keys];
    if (known.has(name)) throw duplicateKey(name);
    known.add(name);
  }
  for (const prefix of prefixes) {
    for (const name of [...keys, ...prefixes]) {
      if (name !== prefix && name.startsWith(prefix)) throw duplicateKey(name);
    }
    if (keys.has(prefix)) throw duplicateKey(prefix);
  }
}
