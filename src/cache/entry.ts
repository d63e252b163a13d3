/**
 * A stored answer without its body: its head as it is sent, and the numbers that decide about it, so that a hit parses
 * nothing. Small on purpose: whole seconds where HTTP has no more, one text for all fields, nothing that can be computed.
 */
import type { ByteRange } from '../http/range.ts';
import type { CacheSettings } from './settings.ts';

/** Bits of `Entry.bits`. */
export const ENTRY = {
  /** Never reused without a successful validation: no-cache, or nothing tells how long it is good. */
  validate: 1,
  /** Not to be served stale unless its own stale-while-revalidate or stale-if-error says so (RFC 9111 4.2.4). */
  neverStale: 2,
  /** Declared fit for sharing: may answer requests with Authorization (RFC 9111 3.5). */
  shared: 4,
  /** Its freshness is a guess (RFC 9111 4.2.2). */
  heuristic: 8,
} as const;

/** The values of an entry; see `Entry`. */
export interface EntryValues {
  readonly status: number;
  readonly bits: number;
  /**
   * Whole lines: first what a 304 repeats too, Content-Type last. Without Content-Length, Content-Range, Age and
   * Cache-Status, which differ from answer to answer, and without hop-by-hop fields (RFC 9111 3.1).
   */
  readonly head: string;
  /** Characters of `head` that belong in a 304. */
  readonly notModifiedEnd: number;
  /** Where the Content-Type line starts: `multipart/byteranges` has its own. */
  readonly typeStart: number;
  /** Epoch milliseconds at which its age was 0 (RFC 9111 4.2.3). */
  readonly bornMs: number;
  /** Freshness lifetime (RFC 9111 4.2.1). */
  readonly lifetimeS: number;
  /** After the lifetime (RFC 5861). */
  readonly staleWhileRevalidateS: number;
  /** After the lifetime (RFC 5861). */
  readonly staleIfErrorS: number;
  /** The Date field, seconds since the epoch. */
  readonly dateS: number;
  /** Seconds since the epoch, or `NO_DATE`. */
  readonly lastModifiedS: number;
  /** As it is in the head; empty when there is none that is well-formed. */
  readonly etag: string;
  /** Names of the fields that it depends on, shared by all entries with the same Vary. */
  readonly varyNames: readonly string[];
  /** The request's values of these, see `varyValues`. */
  readonly varyValues: string;
  /** Bytes of the complete body; `UNKNOWN_LENGTH` until its end came. */
  readonly length: number;
  /** The parts that are there, ascending, apart from one another; undefined when all of it is. */
  readonly spans: readonly ByteRange[] | undefined;
  /** Cache-Status of caches nearer to the origin, empty when there were none. */
  readonly cacheStatus: string;
  /** What it can be purged by besides its key, see `tagsOf`. */
  readonly tags: readonly string[];
}

export const UNKNOWN_LENGTH = -1;

export class Entry implements EntryValues {
  readonly status: number;
  readonly bits: number;
  readonly head: string;
  readonly notModifiedEnd: number;
  readonly typeStart: number;
  readonly bornMs: number;
  readonly lifetimeS: number;
  readonly staleWhileRevalidateS: number;
  readonly staleIfErrorS: number;
  readonly dateS: number;
  readonly lastModifiedS: number;
  readonly etag: string;
  readonly varyNames: readonly string[];
  readonly varyValues: string;
  readonly length: number;
  readonly spans: readonly ByteRange[] | undefined;
  readonly cacheStatus: string;
  readonly tags: readonly string[];

  constructor(values: EntryValues) {
    this.status = values.status;
    this.bits = values.bits;
    this.head = values.head;
    this.notModifiedEnd = values.notModifiedEnd;
    this.typeStart = values.typeStart;
    this.bornMs = values.bornMs;
    this.lifetimeS = values.lifetimeS;
    this.staleWhileRevalidateS = values.staleWhileRevalidateS;
    this.staleIfErrorS = values.staleIfErrorS;
    this.dateS = values.dateS;
    this.lastModifiedS = values.lastModifiedS;
    this.etag = values.etag;
    this.varyNames = values.varyNames;
    this.varyValues = values.varyValues;
    this.length = values.length;
    this.spans = values.spans;
    this.cacheStatus = values.cacheStatus;
    this.tags = values.tags;
  }

  /** Bytes of the body that are stored. */
  get bodyBytes(): number {
    if (this.spans === undefined) return Math.max(0, this.length);
    let bytes = 0;
    for (const { first, last } of this.spans) bytes += last - first + 1;
    return bytes;
  }

  with(changes: Partial<EntryValues>): Entry {
    return new Entry({ ...(this as EntryValues), ...changes });
  }
}

/** RFC 9111 4.2.3. A clock that was set back makes nothing younger than new. */
export function ageMs(entry: Entry, nowMs: number): number {
  return Math.max(0, nowMs - entry.bornMs);
}

/** Milliseconds for which it stays fresh; zero or less when it is stale. */
export function freshMs(entry: Entry, nowMs: number): number {
  return entry.lifetimeS * 1000 - ageMs(entry, nowMs);
}

/** The same entry, stale from that moment on: for a soft purge. What it says about stale use still counts. */
export function expired(entry: Entry, sinceMs: number): Entry {
  const lifetimeS = Math.min(entry.lifetimeS, Math.floor(ageMs(entry, sinceMs) / 1000));
  return entry.with({ lifetimeS });
}

/** Stale, and not to be used without a validation: what RFC 9111 4.3.5 calls invalid. */
export function outdated(entry: Entry, nowMs: number): Entry {
  return expired(entry, nowMs).with({ bits: entry.bits | ENTRY.validate });
}

/** Whether the same requests would select both (RFC 9111 4.1). */
export function isSameVariant(a: Entry, b: Entry): boolean {
  return a.varyValues === b.varyValues && a.varyNames.join() === b.varyNames.join();
}

/** Has something to be validated by. */
export function hasValidator(entry: Entry): boolean {
  return entry.etag !== '' || entry.lastModifiedS >= 0;
}

/** An entity tag that equal bytes have, and other bytes have not (RFC 9110 8.8.1). */
export function strongTag(entry: Entry): string | undefined {
  return entry.etag.startsWith('"') ? entry.etag : undefined;
}

/** Whether a stale entry may be served because an upstream failed: `unreachable`, or answered with an error. */
export function mayServeOnFailure(
  entry: Entry,
  failure: { readonly kind: 'unreachable' | 'error'; readonly requestStaleIfErrorS: number },
  nowMs: number,
  settings: CacheSettings,
): boolean {
  if ((entry.bits & ENTRY.validate) !== 0) return false;
  const staleMs = -freshMs(entry, nowMs);
  if (staleMs < entry.staleIfErrorS * 1000) return true;
  if ((entry.bits & ENTRY.neverStale) !== 0) return false;
  if (staleMs < failure.requestStaleIfErrorS * 1000) return true;
  return failure.kind === 'unreachable' && staleMs < settings.staleUnreachableS * 1000;
}
