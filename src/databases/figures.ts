/** Metrics of the databases, as this node's process tells them. */
import { latencySample } from '../base/latency-counts.ts';
import type { Labels, MetricFamily, MetricType } from '../base/metrics.ts';
import type { SqlFigures } from '../sql/sql.ts';
import type { ProcessState, StripeState } from './control.ts';

interface Row {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  /** Undefined: not told here. */
  readonly of: (stripe: StripeState) => number | undefined;
}

const STRIPES: readonly Row[] = [
  {
    name: 'moln_database_primary',
    help: 'Whether this node leads the stripe',
    type: 'gauge',
    of: ({ role }) => (role === 'primary' ? 1 : 0),
  },
  {
    name: 'moln_database_lag_entries',
    help: 'Entries of the log that this copy does not have yet',
    type: 'gauge',
    of: ({ head, applied }) => Math.max(0, head - applied),
  },
  {
    name: 'moln_database_log_entries',
    help: 'Entries since the newest snapshot',
    type: 'gauge',
    of: ({ logEntries }) => logEntries,
  },
  {
    name: 'moln_database_snapshot_files_lacking',
    help: 'Snapshots and kept pieces of the log that are not in the file store yet; told where the stripe is led',
    type: 'gauge',
    of: ({ snapshot }) => snapshot?.lacking ?? 0,
  },
  {
    name: 'moln_database_file_bytes',
    help: 'Size of the copy',
    type: 'gauge',
    of: ({ fileBytes }) => fileBytes,
  },
  {
    name: 'moln_database_rebuilt',
    help: 'Whether this copy was damaged and built anew since the process started',
    type: 'gauge',
    of: ({ rebuilt }) => (rebuilt === undefined ? 0 : 1),
  },
  {
    name: 'moln_database_scrubbed_timestamp_seconds',
    help: 'When the copies of the stripe were compared last; told where it was led then',
    type: 'gauge',
    of: ({ scrub }) => (scrub?.at === undefined ? undefined : scrub.at / 1000),
  },
  {
    name: 'moln_database_transactions_total',
    help: 'Transactions committed here since this node leads',
    type: 'counter',
    of: ({ transactions }) => transactions,
  },
  {
    name: 'moln_database_groups_total',
    help: 'Entries appended; transactions by groups is the size of a group',
    type: 'counter',
    of: ({ groups }) => groups,
  },
  {
    name: 'moln_database_append_seconds_total',
    help: 'Time in which the log took them',
    type: 'counter',
    of: ({ appendMs }) => appendMs / 1000,
  },
  {
    name: 'moln_database_log_bytes_total',
    help: 'Bytes appended',
    type: 'counter',
    of: ({ logBytes }) => logBytes,
  },
];

const COUNTS: readonly {
  readonly name: string;
  readonly help: string;
  readonly of: (figures: SqlFigures) => number;
}[] = [
  {
    name: 'moln_database_statements_total',
    help: 'Statements run through this node',
    of: ({ statements }) => statements,
  },
  {
    name: 'moln_database_statements_failed_total',
    help: 'Of these with an error',
    of: ({ failed }) => failed,
  },
  {
    name: 'moln_database_commits_total',
    help: 'Transactions that wrote, through this node',
    of: ({ commits }) => commits,
  },
  {
    name: 'moln_database_cross_commits_total',
    help: 'Of these over more than one stripe',
    of: ({ crossCommits }) => crossCommits,
  },
];

export function databaseFamilies(state: ProcessState): readonly MetricFamily[] {
  const { databases } = state;
  const stripes = STRIPES.map(({ name, help, type, of }) => ({
    name,
    help,
    type,
    samples: databases.flatMap((database) =>
      database.stripes.flatMap((stripe) => {
        const value = of(stripe);
        const labels: Labels = { database: database.name, stripe: String(stripe.number) };
        return value === undefined ? [] : [{ labels, value }];
      }),
    ),
  }));
  return [
    ...stripes,
    ...COUNTS.map(({ name, help, of }) => ({
      name,
      help,
      type: 'counter' as const,
      samples: databases.flatMap(({ name: database, figures }) =>
        figures === undefined ? [] : [{ labels: { database }, value: of(figures) }],
      ),
    })),
    {
      name: 'moln_database_statement_seconds',
      help: 'How long statements took through this node',
      type: 'histogram',
      samples: databases.flatMap(({ name: database, figures }) =>
        figures === undefined ? [] : [latencySample({ database }, figures.latency)],
      ),
    },
    {
      name: 'moln_database_queries',
      help: 'Statements that run now',
      type: 'gauge',
      samples: databases.map(({ name, queries }) => ({
        labels: { database: name },
        value: queries.length,
      })),
    },
    {
      name: 'moln_databases_memory_bytes',
      help: 'Resident memory of the database process',
      type: 'gauge',
      samples: [{ labels: {}, value: state.memoryBytes }],
    },
  ];
}
