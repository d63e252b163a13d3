/** What the head of a log says about an entry whose append was not answered. Pure. */
import type { Head } from './commit-log.ts';
import { type EncodedEntry, sameHash } from './entry.ts';

export type DoubtVerdict =
  /** It is the newest entry: it happened. */
  | 'present'
  /** Nothing was appended yet; it may still be on its way. */
  | 'absent'
  /** Another entry has its place: it never happened. */
  | 'replaced'
  /** The log has gone on behind its place: look at the entry itself. */
  | 'beyond';

export function judgeDoubt(head: Head, entry: EncodedEntry): DoubtVerdict {
  if (head.index < entry.index) return 'absent';
  if (head.index > entry.index) return 'beyond';
  return sameHash(head.hash, entry.hash) ? 'present' : 'replaced';
}
