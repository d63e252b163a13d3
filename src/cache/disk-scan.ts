/** What a `.keys` file says, without reading its payloads: for the start, when the index is made anew. */
import { decodeHeader, findHeader, KEYS_MAGIC, RECORD_HEADER_BYTES } from './disk-format.ts';

export interface ScannedRecord {
  readonly hash: number;
  readonly stamp: number;
  /** In the file. */
  readonly offset: number;
  /** Says that nothing is under the key. */
  readonly removes: boolean;
}

export interface Scan {
  /** Those after the last gap. */
  readonly records: readonly ScannedRecord[];
  /** Something that cannot be read stood before them; nobody knows what it removed. */
  readonly gap: boolean;
}

/** An unfinished record at the end, as a crash leaves it, is no gap: it was never confirmed. */
export function scanKeys(bytes: Buffer): Scan {
  let records: ScannedRecord[] = [];
  let gap = false;
  if (bytes.length < KEYS_MAGIC.length) return { records, gap };
  if (!bytes.subarray(0, KEYS_MAGIC.length).equals(KEYS_MAGIC)) return { records, gap: true };
  let at = KEYS_MAGIC.length;
  while (at < bytes.length) {
    const header = decodeHeader(bytes, at);
    if (header === undefined) {
      const next = findHeader(bytes, at + 1) ?? bytes.length;
      // Less than a header is left: the last write was not finished.
      if (bytes.length - at < RECORD_HEADER_BYTES) break;
      records = [];
      gap = true;
      at = next;
      continue;
    }
    const end = at + RECORD_HEADER_BYTES + header.payloadBytes;
    if (end > bytes.length) break;
    const { hash, stamp, payloadBytes } = header;
    records.push({ hash, stamp, offset: at, removes: payloadBytes === 0 });
    at = end;
  }
  return { records, gap };
}
