/** What a database did since its engine was made, for metrics and status pages. */

import { LatencyCounts, type LatencyFigures } from '../base/latency-counts.ts';

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
  /** Of statements. */
  readonly latency: LatencyFigures;
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
  readonly latency: LatencyCounts = new LatencyCounts();

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
      latency: latency.figures,
    };
  }

  took(ms: number): void {
    this.statements++;
    this.latency.record(ms);
  }
}
