/** Rows in order, as people expect it. Pure. */

/** Rows in the order asked for; numbers by size, words as people sort them. */
export function sortRows<Row>(
  rows: readonly Row[],
  by: (row: Row) => string | number,
  down: boolean,
): readonly Row[] {
  const sign = down ? -1 : 1;
  return rows.toSorted((left, right) => {
    const [a, b] = [by(left), by(right)];
    if (typeof a === 'number' && typeof b === 'number') return (a - b) * sign;
    return String(a).localeCompare(String(b), undefined, { numeric: true }) * sign;
  });
}
