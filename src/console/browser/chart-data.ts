/** Samples as columns for a chart, and the same in words and as a short table for those who hear it. Pure. */

/** Rows of the hidden table: enough for the shape, few enough to listen to. */
export const ROWS_MAX = 25;
/** Samples further apart than this are not joined by a line: nobody measured in between. */
const GAP_MS = 5000;

export interface Point {
  readonly at: number;
  readonly values: readonly number[];
}

/** Epoch seconds first, then one column per series; null where nothing was measured. */
export type Columns = readonly (readonly (number | null)[])[];

export function columnsOf(points: readonly Point[], series: number): Columns {
  const times: number[] = [];
  const columns: (number | null)[][] = Array.from({ length: series }, () => []);
  let before: number | undefined;
  for (const point of points) {
    if (before !== undefined && point.at - before > GAP_MS) {
      times.push((before + 1000) / 1000);
      for (const column of columns) column.push(null);
    }
    times.push(point.at / 1000);
    columns.forEach((column, index) => column.push(point.values[index] ?? null));
    before = point.at;
  }
  return [times, ...columns];
}

export interface Summary {
  readonly last: number;
  readonly least: number;
  readonly most: number;
}

/** Undefined when there is nothing to sum up. */
export function summaryOf(points: readonly Point[], index: number): Summary | undefined {
  const values = points.map((point) => point.values[index] ?? 0);
  const last = values.at(-1);
  if (last === undefined) return undefined;
  return { last, least: Math.min(...values), most: Math.max(...values) };
}

/** At most `ROWS_MAX` points, evenly picked, the last one always among them. */
export function rowsOf(points: readonly Point[]): readonly Point[] {
  if (points.length <= ROWS_MAX) return points;
  const step = (points.length - 1) / (ROWS_MAX - 1);
  const rows: Point[] = [];
  for (let row = 0; row < ROWS_MAX; row++) {
    const point = points[Math.round(row * step)];
    if (point !== undefined) rows.push(point);
  }
  return rows;
}
