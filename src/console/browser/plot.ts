/** The one place that knows uPlot: draws columns into an element, in the colours of the theme. */
import uPlot from 'uplot';
import type { Columns } from './chart-data.ts';
import { formatClock } from './format.ts';

/** What the charts show at once; less while there is less, so that a young node has something to see. */
const WINDOW_SECONDS = { least: 120, most: 600 };
const HEIGHT_PX = 150;

export interface PlotSeries {
  readonly label: string;
  /** Name of a colour of the theme, without `--`. */
  readonly color: string;
  readonly filled?: boolean;
  readonly dashed?: boolean;
}

export interface PlotOptions {
  readonly element: HTMLElement;
  readonly series: readonly PlotSeries[];
  /** The vertical axis reaches at least this far, so that noise does not look like a storm. */
  readonly reachLeast: number;
  readonly format: (value: number) => string;
  /** Epoch seconds of events worth a vertical line; asked at every drawing. */
  readonly marks: () => readonly number[];
  /** The point under the cursor; undefined when it has left. */
  readonly onCursor: (index: number | undefined) => void;
}

export interface Plot extends Disposable {
  setData(columns: Columns): void;
  /** Puts the cursor on a point, as the arrow keys do. */
  pointAt(index: number): void;
  leave(): void;
}

function colorOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function markHook(marks: () => readonly number[]): (plot: uPlot) => void {
  return (plot) => {
    const { ctx } = plot;
    ctx.save();
    ctx.strokeStyle = colorOf('accent');
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const at of marks()) {
      const x = Math.round(plot.valToPos(at, 'x', true));
      if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, plot.bbox.top);
      ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
}

function axesOf(format: (value: number) => string): uPlot.Axis[] {
  const stroke = colorOf('quiet');
  const font = '11px system-ui, sans-serif';
  const lines = { stroke: colorOf('line'), width: 1 };
  return [
    {
      stroke,
      font,
      grid: { show: false },
      ticks: { ...lines, size: 4 },
      size: 26,
      space: 70,
      values: (_plot, splits) => {
        const step = (splits[1] ?? 0) - (splits[0] ?? 0);
        const length = step < 60 ? 'HH:MM:SS'.length : 'HH:MM'.length;
        return splits.map((second) => formatClock(second * 1000).slice(0, length));
      },
    },
    {
      stroke,
      font,
      grid: lines,
      ticks: { show: false },
      size: 54,
      space: 34,
      values: (_plot, splits) => splits.map((value) => format(value)),
    },
  ];
}

function windowOf(first: number | null, last: number | null): [number, number] {
  const end = last ?? 0;
  const { least, most } = WINDOW_SECONDS;
  return [end - Math.min(most, Math.max(least, end - (first ?? end))), end];
}

function optionsOf(options: PlotOptions): uPlot.Options {
  return {
    width: Math.max(200, options.element.clientWidth),
    height: HEIGHT_PX,
    legend: { show: false },
    padding: [8, 6, 0, 0],
    cursor: {
      drag: { x: false, y: false },
      y: false,
      points: { size: 7 },
      sync: { key: 'moln' },
    },
    scales: {
      x: { time: true, range: (_plot, min, max) => windowOf(min, max) },
      y: { range: (_plot, _min, max) => [0, Math.max(options.reachLeast, (max ?? 0) * 1.15)] },
    },
    axes: axesOf(options.format),
    series: [
      {},
      ...options.series.map((series) => ({
        label: series.label,
        stroke: colorOf(series.color),
        width: 1.75,
        points: { show: false },
        ...(series.filled === true ? { fill: colorOf(`${series.color}-fill`) } : {}),
        ...(series.dashed === true ? { dash: [5, 4] } : {}),
      })),
    ],
    hooks: {
      draw: [markHook(options.marks)],
      setCursor: [
        (plot) => {
          const off = (plot.cursor.left ?? -1) < 0;
          options.onCursor(off ? undefined : (plot.cursor.idx ?? undefined));
        },
      ],
    },
  };
}

/** Draws at once; redraws itself when the element's width or the theme changes. */
export function createPlot(options: PlotOptions): Plot {
  let data: Columns = [[], ...options.series.map(() => [])];
  const draw = (): uPlot =>
    new uPlot(optionsOf(options), data as uPlot.AlignedData, options.element);
  let plot = draw();
  const resize = new ResizeObserver(() => {
    const width = Math.max(200, options.element.clientWidth);
    if (width !== plot.width) plot.setSize({ width, height: HEIGHT_PX });
  });
  resize.observe(options.element);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const retheme = (): void => {
    plot.destroy();
    plot = draw();
  };
  dark.addEventListener('change', retheme);
  return {
    setData: (columns) => {
      data = columns;
      plot.setData(data as uPlot.AlignedData);
    },
    pointAt: (index) => {
      const second = data[0]?.[index];
      if (typeof second !== 'number') return;
      plot.setCursor({ left: plot.valToPos(second, 'x'), top: 10 });
    },
    leave: () => plot.setCursor({ left: -10, top: -10 }),
    [Symbol.dispose]: () => {
      dark.removeEventListener('change', retheme);
      resize.disconnect();
      plot.destroy();
    },
  };
}
