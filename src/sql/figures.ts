/** What a database did since its engine was made, for metrics and status pages. */

/** Upper bounds of the buckets of latency, in milliseconds; the last one has none. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000,
];

export interface SqlFigures {
  readonly sessions: number;
  readonly running: number;
  readonly statements: number;
  readonly failed: number;
  /** Transactions that wrote, of one statement or several. */
  readonly commits: number;
  /** Of these over more than one stripe. */
  readonly crossCommits: number;
  readonly rollbacks: number;
  /** Transactions that wait for a stripe now. */
  readonly waiting: number;
  /** Reads of several stripes as of one moment. */
  readonly moments: number;
  /** Statements tried again, because a schema or a primary had changed. */
  readonly retries: number;
  /** Statements by latency; one bucket more than `LATENCY_BOUNDS_MS`. */
  readonly latency: readonly number[];
}

export class Counts {
  statements = 0;
  failed = 0;
  commits = 0;
  crossCommits = 0;
  rollbacks = 0;
  waiting = 0;
  moments = 0;
  retries = 0;
  readonly latency: number[] = Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, () => 0);

  figures(sessions: number, running: number): SqlFigures {
    const { commits, crossCommits, failed, latency, moments, retries, rollbacks } = this;
    const { statements, waiting } = this;
    return {
      sessions,
      running,
      statements,
      failed,
      commits,
      crossCommits,
      rollbacks,
      waiting,
      moments,
      retries,
      latency: [...latency],
    };
  }

  took(ms: number): void {
    this.statements++;
    const found = LATENCY_BOUNDS_MS.findIndex((bound) => ms <= bound);
    const at = found < 0 ? LATENCY_BOUNDS_MS.length : found;
    this.latency[at] = (this.latency[at] ?? 0) + 1;
  }
}
