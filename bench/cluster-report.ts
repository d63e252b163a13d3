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
  readonly figures: readonly Figure[];
}

export function clusterTable({ date, node, rate, figures }: ClusterReport): string {
  return [
    `${date}; node ${node}; five nodes on one machine, with a steady load of ${rate} requests/s unless idle.`,
    '',
    '| | measured | goal |',
    '|---|---|---|',
    ...figures.map(({ what, value, goal }) => `| ${what} | ${value} | ${goal} |`),
    '',
  ].join('\n');
}
