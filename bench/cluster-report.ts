/** What `bench/cluster.ts` found, as the Markdown table of docs/benchmarks.md. */

export interface Figure {
  readonly what: string;
  readonly value: string;
  /** Empty: none. */
  readonly goal: string;
}

export interface ClusterReport {
  readonly date: string;
  /** Version of the runtime. */
  readonly node: string;
  /** Requests per second of the load. */
  readonly rate: number;
  /** Of the minute before: what others did on this machine. */
  readonly loadAverage: number;
  readonly cores: number;
  readonly figures: readonly Figure[];
}

export function clusterTable(report: ClusterReport): string {
  const { date, node, rate, loadAverage, cores, figures } = report;
  return [
    `${date}; node ${node}; five nodes on one machine, with a steady load of ${rate} requests/s unless idle.`,
    `${cores} cores; load average ${loadAverage.toFixed(1)} in the minute before.`,
    '',
    '| | measured | goal |',
    '|---|---|---|',
    ...figures.map(({ what, value, goal }) => `| ${what} | ${value} | ${goal} |`),
    '',
  ].join('\n');
}
