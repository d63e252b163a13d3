/** The charts of the whole node, and of one app. */
import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import type { LiveSample } from '../../api/model.ts';
import type { Point } from './chart-data.ts';
import type { PlotSeries } from './plot.ts';
import { Chart } from './chart.tsx';
import { formatMs, formatNumber } from './format.ts';

const REQUESTS: readonly PlotSeries[] = [{ label: 'Requests/s', color: 'chart-1', filled: true }];
const ERRORS: readonly PlotSeries[] = [{ label: 'Errors/s', color: 'chart-2', filled: true }];
const LATENCY: readonly PlotSeries[] = [
  { label: 'p95', color: 'chart-3' },
  { label: 'p50', color: 'quiet', dashed: true },
];
const APP: readonly PlotSeries[] = [
  { label: 'Requests/s', color: 'chart-1', filled: true },
  { label: 'Errors/s', color: 'chart-2' },
];

function pointsOf(
  samples: readonly LiveSample[],
  values: (sample: LiveSample) => readonly number[],
): readonly Point[] {
  return samples.map((sample) => ({ at: sample.at, values: values(sample) }));
}

export function NodeCharts(props: { readonly samples: readonly LiveSample[] }): VNode {
  const { samples } = props;
  const requests = useMemo(() => pointsOf(samples, (one) => [one.requestsPerSecond]), [samples]);
  const errors = useMemo(() => pointsOf(samples, (one) => [one.errorsPerSecond]), [samples]);
  const latency = useMemo(() => pointsOf(samples, (one) => [one.p95Ms, one.p50Ms]), [samples]);
  return (
    <div class="charts">
      <Chart
        title="Requests per second"
        series={REQUESTS}
        points={requests}
        format={formatNumber}
        reachLeast={5}
      />
      <Chart
        title="Errors per second"
        series={ERRORS}
        points={errors}
        format={formatNumber}
        reachLeast={1}
      />
      <Chart title="Latency" series={LATENCY} points={latency} format={formatMs} reachLeast={10} />
    </div>
  );
}

export function AppChart(props: {
  readonly app: string;
  readonly samples: readonly LiveSample[];
  readonly deploys: readonly number[];
}): VNode {
  const { app, samples } = props;
  const points = useMemo(
    () =>
      pointsOf(samples, (one) => [
        one.apps[app]?.requestsPerSecond ?? 0,
        one.apps[app]?.errorsPerSecond ?? 0,
      ]),
    [samples, app],
  );
  return (
    <Chart
      title="Requests and errors per second"
      series={APP}
      points={points}
      format={formatNumber}
      reachLeast={5}
      marks={props.deploys}
    />
  );
}
