/** Metric families of one gateway process as a whole; those of routes are in `route-meter.ts`. */
import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import type { MetricFamily, MetricType } from '../base/metrics.ts';

export interface ProcessFigures {
  readonly connections: number;
  /** Closed at once because `connectionsMax` was reached. */
  readonly connectionsRefused: number;
  readonly memoryBytes: number;
  readonly accessLogDropped: number;
  /** Undefined unless they are exported. */
  readonly spans?: { readonly exported: number; readonly dropped: number } | undefined;
}

/** Keeps the last reading of the event loop, so that each snapshot covers the time since the one before. */
export class ProcessMetrics {
  #last: EventLoopUtilization = performance.eventLoopUtilization();

  families(figures: ProcessFigures): MetricFamily[] {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#last);
    this.#last = now;
    return [
      family('moln_gateway_workers', 'Gateway processes that answer', 'gauge', 1),
      family(
        'moln_gateway_connections',
        'Open client connections, upgraded ones too',
        'gauge',
        figures.connections,
      ),
      family(
        'moln_gateway_connections_refused_total',
        'Connections closed at once because there were too many',
        'counter',
        figures.connectionsRefused,
      ),
      family(
        'moln_gateway_memory_bytes',
        'Resident memory of the gateway processes',
        'gauge',
        figures.memoryBytes,
      ),
      family(
        'moln_gateway_busy_ratio',
        'Share of time that the event loops were busy; sum over the processes',
        'gauge',
        Number.isFinite(utilization) ? utilization : 0,
      ),
      family(
        'moln_gateway_access_log_dropped_total',
        'Access log lines lost because the disk was stuck or full',
        'counter',
        figures.accessLogDropped,
      ),
      ...(figures.spans === undefined ? [] : spanFamilies(figures.spans)),
    ];
  }
}

function spanFamilies({ exported, dropped }: NonNullable<ProcessFigures['spans']>): MetricFamily[] {
  const help = 'Spans that the collector has taken';
  const lost = 'Spans lost because the collector was away, slow or refused them';
  return [
    family('moln_gateway_spans_exported_total', help, 'counter', exported),
    family('moln_gateway_spans_dropped_total', lost, 'counter', dropped),
  ];
}

function family(name: string, help: string, type: MetricType, value: number): MetricFamily {
  return { name, help, type, samples: [{ labels: {}, value }] };
}
