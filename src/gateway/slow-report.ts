/** Where the time of a route's recent requests goes: what processes tell, and one report out of that. Pure. */

/** In the order in which a request meets them. */
export const STAGES = [
  /** Waiting for its turn: credentials, a buffered body, a free place at an upstream, the cache. */
  'queue',
  /** Connecting, and asking others when one failed. */
  'connect',
  /** The client sends its body. */
  'upload',
  /** From there to the head of the upstream's answer. */
  'firstByte',
  /** The upstream sends the body of its answer. */
  'body',
  /** The client reads more slowly than the upstream sends. */
  'client',
  /** All else: files, answers of the cache and of the gateway itself. */
  'gateway',
] as const;

export type Stage = (typeof STAGES)[number];

export interface SlowExample {
  /** As in the access log. */
  readonly id: string;
  /** Epoch milliseconds. */
  readonly time: number;
  readonly method: string;
  /** Without its scheme. */
  readonly url: string;
  readonly status: number;
  readonly totalMs: number;
  /** In the order of `STAGES`. */
  readonly stagesMs: readonly number[];
  readonly upstream: string | undefined;
  readonly traceId: string | undefined;
}

/** What one process knows. */
export interface SlowFigures {
  readonly pid: number;
  /** Undefined: no route answers that URL. */
  readonly route: string | undefined;
  /** For each recent request all its time, and that of each stage. */
  readonly rows: readonly (readonly number[])[];
  readonly examples: readonly SlowExample[];
}

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface SlowReport {
  readonly route: string | undefined;
  /** Recent ones that are known: the last 200 of each process, at most ten minutes old. */
  readonly requests: number;
  readonly totalMs: Percentiles;
  readonly stages: readonly {
    readonly name: string;
    /** Of all the time. */
    readonly share: number;
    readonly ms: Percentiles;
  }[];
  /** The slowest first. */
  readonly examples: readonly SlowExample[];
}

const EXAMPLES_MAX = 10;

/** Figures of all processes of all gateways that answered. */
export function slowReport(figures: readonly SlowFigures[]): SlowReport {
  const rows = figures.flatMap((one) => one.rows);
  const column = (at: number): readonly number[] => rows.map((row) => row[at] ?? 0);
  const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
  const total = column(0);
  const allMs = sum(total);
  return {
    route: figures.find(({ route }) => route !== undefined)?.route,
    requests: rows.length,
    totalMs: percentiles(total),
    stages: STAGES.map((name, index) => {
      const values = column(index + 1);
      return { name, share: allMs === 0 ? 0 : sum(values) / allMs, ms: percentiles(values) };
    }),
    examples: figures
      .flatMap(({ examples }) => examples)
      .toSorted((a, b) => b.totalMs - a.totalMs)
      .slice(0, EXAMPLES_MAX),
  };
}

/** By the nearest rank. */
function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: sorted.at(-1) ?? 0 };
}
