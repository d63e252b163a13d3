/** What went wrong, as one reads it: the message, and what to do. Pure. */
import { isMolnError, messageOf } from '../../base/errors.ts';

export function sentenceOf(error: unknown): string {
  if (!isMolnError(error)) return messageOf(error);
  return error.hint === undefined ? error.message : `${error.message}. ${error.hint}`;
}
