/** The last lines of a log: bounded, without repeats after the stream was opened anew. Pure. */
import type { LogLine } from '../../api/model.ts';

export const LINES_KEPT = 2000;

/** A line with a number of its own, so that lists can tell equal lines apart. */
export interface NumberedLine extends LogLine {
  readonly number: number;
}

/** `more` after `lines`, the newest `LINES_KEPT`. */
export function appendLines(
  lines: readonly NumberedLine[],
  more: readonly LogLine[],
): readonly NumberedLine[] {
  let number = (lines.at(-1)?.number ?? 0) + 1;
  const added = more.map((line) => ({ ...line, number: number++ }));
  return [...lines, ...added].slice(-LINES_KEPT);
}

/** True for lines that were shown before the stream was opened anew: it repeats its tail. */
export function seenBefore(line: LogLine, newestAt: number | undefined): boolean {
  return newestAt !== undefined && line.at <= newestAt;
}

/** Lines that have the text in them, whatever the case; of one process when one is given. */
export function filterLines(
  lines: readonly NumberedLine[],
  filter: { readonly text: string; readonly process: string },
): readonly NumberedLine[] {
  const text = filter.text.trim().toLowerCase();
  return lines.filter(
    (line) =>
      (filter.process === '' || line.process === filter.process) &&
      (text === '' || `${line.instance} ${line.text}`.toLowerCase().includes(text)),
  );
}
