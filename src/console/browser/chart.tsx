/**
 * A live chart that can be seen, heard and steered with the arrow keys: the canvas is a figure with its
 * last, least and most in words, and a short table says the same to those who do not see it.
 */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Point } from './chart-data.ts';
import type { Plot, PlotSeries } from './plot.ts';
import { systemClock } from '../../base/time.ts';
import { columnsOf, rowsOf, summaryOf } from './chart-data.ts';
import { formatClock } from './format.ts';
import { createPlot } from './plot.ts';

/** Holding an arrow key down must not flood a screen reader. */
const ANNOUNCE_AFTER_MS = 400;

export interface ChartProps {
  readonly title: string;
  readonly series: readonly PlotSeries[];
  readonly points: readonly Point[];
  readonly format: (value: number) => string;
  readonly reachLeast: number;
  /** Epoch milliseconds of deploys. */
  readonly marks?: readonly number[];
}

function labelOf(props: ChartProps): string {
  const parts = props.series.map((series, index) => {
    const summary = summaryOf(props.points, index);
    if (summary === undefined) return `${series.label}: no samples yet`;
    const { last, least, most } = summary;
    const format = props.format;
    return `${series.label}: now ${format(last)}, least ${format(least)}, most ${format(most)}`;
  });
  return `${props.title}, last 10 minutes. ${parts.join('; ')}. Arrow keys move through time.`;
}

function valuesAt(props: ChartProps, point: Point): string {
  const one = props.series.length === 1;
  return props.series
    .map((series, index) => {
      const value = props.format(point.values[index] ?? 0);
      return one ? value : `${series.label} ${value}`;
    })
    .join(' · ');
}

function HiddenTable(props: ChartProps): VNode {
  return (
    <div class="hidden">
      <table>
        <caption>{props.title}, last 10 minutes, at most 25 rows</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {props.series.map((series) => (
              <th key={series.label} scope="col">
                {series.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rowsOf(props.points).map((point) => (
            <tr key={point.at}>
              <th scope="row">{formatClock(point.at)}</th>
              {props.series.map((series, index) => (
                <td key={series.label}>{props.format(point.values[index] ?? 0)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Where an arrow key leads; undefined for other keys. */
function steppedBy(key: string, from: number, last: number): number | undefined {
  if (key === 'ArrowLeft') return Math.max(0, from - 1);
  if (key === 'ArrowRight') return Math.min(last, from + 1);
  if (key === 'PageUp') return Math.max(0, from - 60);
  if (key === 'PageDown') return Math.min(last, from + 60);
  if (key === 'Home') return 0;
  if (key === 'End') return last;
  return undefined;
}

export function Chart(props: ChartProps): VNode {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | undefined>(undefined);
  const marks = useRef<readonly number[]>([]);
  const pending = useRef<Disposable | undefined>(undefined);
  const [cursor, setCursor] = useState<number | undefined>(undefined);
  /** The time that the arrow keys hold on to, in epoch milliseconds, while the chart moves on. */
  const held = useRef<number | undefined>(undefined);
  const [said, setSaid] = useState('');
  marks.current = (props.marks ?? []).map((at) => at / 1000);
  const columns = columnsOf(props.points, props.series.length);

  useEffect(() => {
    if (box.current === null) return;
    const created = createPlot({
      element: box.current,
      series: props.series,
      reachLeast: props.reachLeast,
      format: props.format,
      marks: () => marks.current,
      onCursor: setCursor,
    });
    plot.current = created;
    return () => created[Symbol.dispose]();
  }, []);
  const times = columns[0] ?? [];
  useEffect(() => {
    plot.current?.setData(columns);
    if (held.current !== undefined) plot.current?.pointAt(times.indexOf(held.current / 1000));
  }, [props.points]);

  const under = cursor === undefined ? undefined : times[cursor];
  const pickedAt =
    held.current ?? (typeof under === 'number' ? Math.round(under * 1000) : undefined);
  const picked = props.points.find((point) => point.at === pickedAt);
  const shown = picked ?? props.points.at(-1);

  const letGo = (): void => {
    held.current = undefined;
    plot.current?.leave();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const last = props.points.length - 1;
    const from = props.points.findIndex((point) => point.at === pickedAt);
    const next = props.points[steppedBy(event.key, from < 0 ? last : from, last) ?? -1];
    if (next === undefined) return;
    event.preventDefault();
    held.current = next.at;
    plot.current?.pointAt(times.indexOf(next.at / 1000));
    pending.current?.[Symbol.dispose]();
    pending.current = systemClock.after(ANNOUNCE_AFTER_MS, () =>
      setSaid(`${formatClock(next.at)}: ${valuesAt(props, next)}`),
    );
  };

  return (
    <div class="chart">
      <div class="chart-head">
        <h3>{props.title}</h3>
        <p class="chart-now" aria-hidden="true">
          {shown === undefined ? '–' : valuesAt(props, shown)}
          <span class="quiet">
            {picked === undefined ? ' now' : ` at ${formatClock(picked.at)}`}
          </span>
        </p>
      </div>
      <div
        class="plot"
        ref={box}
        role="figure"
        aria-label={labelOf(props)}
        tabIndex={0}
        onKeyDown={onKeyDown}
        onBlur={letGo}
        onPointerMove={() => {
          held.current = undefined;
        }}
      />
      <p class="hidden" aria-live="polite">
        {said}
      </p>
      <HiddenTable {...props} />
    </div>
  );
}
