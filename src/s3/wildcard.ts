/** Patterns with `*` and `?` as in AWS's policies. */

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
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[at])) {
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
