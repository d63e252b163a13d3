/**
 * Tags of an answer, so that everything made from one thing can be purged at once: `Surrogate-Key` (spaces between) and
 * `Cache-Tag` (commas between), the two fields that content systems write already.
 */
import type { Fields } from './fields.ts';

/** Tags of one answer; further ones do not count. */
export const TAGS_MAX = 256;
/** A longer tag is none. */
export const TAG_CHARACTERS_MAX = 256;

const NONE: readonly string[] = [];

/** Tags of this answer, each once; they are compared as they are written. */
export function tagsOf(fields: Fields): readonly string[] {
  const surrogate = fields.get('surrogate-key');
  const tagged = fields.get('cache-tag');
  if (surrogate === undefined && tagged === undefined) return NONE;
  // Lines of one field are joined by commas, also those of the field that has spaces.
  const words = [...(surrogate ?? '').split(/[ \t,]+/), ...(tagged ?? '').split(/[ \t]*,[ \t]*/)];
  const tags = new Set<string>();
  for (const word of words) {
    if (tags.size === TAGS_MAX) break;
    // A string of its own: a slice would keep the whole head in memory.
    const own = Buffer.from(word.trim(), 'latin1').toString('latin1');
    if (own !== '' && own.length <= TAG_CHARACTERS_MAX) tags.add(own);
  }
  return [...tags];
}
