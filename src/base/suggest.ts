/** "Did you mean": the nearest known name to a mistyped one. */

/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`. Damerau-Levenshtein, restricted. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replace = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      let best = Math.min(replace, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, (before[column - 2] ?? 0) + 1);
      }
      current.push(best);
    }
    before = above;
    above = current;
  }
  return above[b.length] ?? 0;
}

/** The known name within a third of its length of edits, or undefined. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance && distance <= Math.max(1, Math.floor(candidate.length / 3))) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `No app "gestbook": did you mean "guestbook"?`, or without the question when nothing is near. */
export function unknownName(noun: string, name: string, known: Iterable<string>): string {
  const near = nearestName(name, known);
  return `No ${noun} "${name}"${near === undefined ? '' : `: did you mean "${near}"?`}`;
}
