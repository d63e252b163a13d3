/** Jobs of an app in the web framework: what waits, runs now, or was given up and why. Read from the app's own database. */
import type { VNode } from 'preact';
import { systemClock } from '../../base/time.ts';
import { api } from './api.ts';
import type { DatabaseRow } from './database-rows.ts';
import type { Column } from './data-table.tsx';
import { DataTable } from './data-table.tsx';
import { formatAbsolute } from './format.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';
import { usePolled } from './time-hooks.ts';

const JOBS_EVERY_MS = 10_000;
const JOBS_MAX = 200;
const SQL = `SELECT * FROM moln_jobs ORDER BY state, run_at LIMIT ${JOBS_MAX}`;

function stateOf(job: DatabaseRow): string {
  if (job['state'] === 'failed') return 'failed';
  return Number(job['held_until']) > systemClock.now() ? 'running' : 'waiting';
}

const COLUMNS: readonly Column<DatabaseRow>[] = [
  { key: 'name', label: 'Job', by: (job) => job['name'] ?? '', cell: (job) => job['name'] },
  { key: 'state', label: 'State', by: stateOf, cell: (job) => <StateMark state={stateOf(job)} /> },
  {
    key: 'due',
    label: 'Due',
    by: (job) => Number(job['run_at']),
    cell: (job) => formatAbsolute(Number(job['run_at'])),
  },
  {
    key: 'tries',
    label: 'Tries',
    numeric: true,
    by: (job) => Number(job['attempts']),
    cell: (job) => job['attempts'],
  },
  { key: 'given', label: 'Is given', cell: (job) => <code>{job['payload']}</code> },
  {
    key: 'why',
    label: 'Why it failed',
    cell: (job) => <span class="sentence-cell">{job['error'] === '' ? '–' : job['error']}</span>,
  },
];

export function AppJobs(props: { readonly app: string }): VNode {
  const { app } = props;
  const jobs = usePolled(`jobs ${app}`, (signal) => api.rows(app, SQL, signal), JOBS_EVERY_MS);
  return (
    <Section id="jobs" title="Jobs" command={`moln db shell ${app} "SELECT * FROM moln_jobs"`}>
      <DataTable
        caption={`Jobs of ${app}`}
        columns={COLUMNS}
        rows={jobs.value ?? []}
        rowKey={(job) => job['id'] ?? ''}
        empty={
          jobs.value === undefined
            ? (jobs.failure?.message ?? 'Loading …')
            : 'None: all that were put in are done.'
        }
      />
    </Section>
  );
}
