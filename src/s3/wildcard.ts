/** Patterns with `*` and `?` as in AWS's policies. */

/** Stand in a pattern for a star and a question mark that are meant as such; private characters of Unicode. */
const STAR = '\uf82a';
const QUESTION = '\uf83f';

/** A piece of a pattern in which every character is itself. */
export function plainPattern(text: string): string {
  return text.replaceAll('*', STAR).replaceAll('?', QUESTION);
}

/** In steps of at most pattern × text, whatever the pattern: it is somebody else's. */
export function matchesWild(pattern: string, text: string): boolean {
  let at = 0;
  let p = 0;
  let star = -1;
  let starAt = 0;
  while (at < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      starAt = at;
    } else if (isOne(pattern[p], text[at])) {
      p++;
      at++;
    } else if (star >= 0) {
      p = star + 1;
      at = ++starAt;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

function isOne(wanted: string | undefined, actual: string | undefined): boolean {
  if (wanted === undefined) return false;
  if (wanted === actual || wanted === '?') return true;
  return (wanted === STAR && actual === '*') || (wanted === QUESTION && actual === '?');
}
