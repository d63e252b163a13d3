/** Keys of the cache for targets that come again: putting one together costs more than the rest of looking it up. */
import { cacheKey } from '../cache/cache.ts';
import { KnownTexts } from '../http/known-texts.ts';
import type { RequestTarget } from '../http/target.ts';
import type { KeyRules } from './purge-keys.ts';

interface KnownKey {
  readonly rules: KeyRules;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  readonly target: string;
  readonly key: string;
}

/** By the place of the target. */
const known: (KnownKey | undefined)[] = Array.from({ length: KnownTexts.places }, () => undefined);

/** `authority`: that of the target, or what stands for it. `rules`: the same object each time. */
export function keyOf(
  { target, place }: RequestTarget,
  on: {
    readonly rules: KeyRules;
    readonly scheme: 'http' | 'https';
    readonly authority: string;
  },
): string {
  const { rules, scheme, authority } = on;
  const last = known[place];
  if (
    last?.target === target &&
    last.authority === authority &&
    last.scheme === scheme &&
    last.rules === rules
  ) {
    return last.key;
  }
  const { space, query } = rules;
  const key = cacheKey({ space, query, scheme, authority, target });
  if (place >= 0) known[place] = { rules, scheme, authority, target, key };
  return key;
}
