/** Databases: the list, and one with its stripes, what runs in it now, and what ran long. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { DatabaseSummary, QueryDetail, StripeDetail } from '../../api/model.ts';
import type { Column } from './data-table.tsx';
import { messageOf } from '../../base/errors.ts';
import { formatDuration } from '../../base/time.ts';
import { formatBytes } from '../../base/units.ts';
import { api } from './api.ts';
import { DataTable } from './data-table.tsx';
import { count, formatAbsolute, formatNumber } from './format.ts';
import { Ago } from './moment.tsx';
import { databasePath } from './router.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';
import { usePolled } from './time-hooks.ts';

const EVERY_MS = 2000;
const SLOW_SHOWN = 20;

const DATABASE_COLUMNS: readonly Column<DatabaseSummary>[] = [
  {
    key: 'name',
    label: 'Database',
    by: ({ name }) => name,
    cell: ({ name }) => <a href={databasePath(name)}>{name}</a>,
  },
  {
    key: 'state',
    label: 'State',
    by: ({ state }) => state,
    cell: ({ state }) => <StateMark state={state} />,
  },
  {
    key: 'stripes',
    label: 'Stripes',
    numeric: true,
    by: ({ stripes }) => stripes,
    cell: ({ stripes }) => stripes,
  },
  {
    key: 'copies',
    label: 'Copies wanted',
    numeric: true,
    by: ({ copies }) => copies,
    cell: ({ copies }) => copies,
  },
  {
    key: 'bytes',
    label: 'Size',
    numeric: true,
    by: ({ bytes }) => bytes,
    cell: ({ bytes }) => formatBytes(bytes),
  },
  {
    key: 'clients',
    label: 'Clients',
    numeric: true,
    by: ({ connections }) => connections,
    cell: ({ connections }) => formatNumber(connections),
  },
  {
    key: 'created',
    label: 'Made',
    by: ({ createdAt }) => createdAt,
    cell: ({ createdAt }) => <Ago at={createdAt} />,
  },
];

export function DatabasesPage(): VNode {
  const { value } = usePolled('databases', (signal) => api.databases(signal), EVERY_MS);
  return (
    <>
      <h1>Databases</h1>
      <Section id="databases" title="Databases" command="moln db list">
        <DataTable
          caption="Databases"
          columns={DATABASE_COLUMNS}
          rows={value ?? []}
          rowKey={({ name }) => name}
          empty={
            <>
              No databases yet: make one with <code>moln db create NAME</code>.
            </>
          }
        />
      </Section>
    </>
  );
}

function perGroup({ groups }: StripeDetail, value: number, digits: number): string {
  return groups === 0 ? '–' : (value / groups).toFixed(digits);
}

const STRIPE_COLUMNS: readonly Column<StripeDetail>[] = [
  { key: 'number', label: 'Stripe', by: ({ number }) => number, cell: ({ number }) => number },
  {
    key: 'slots',
    label: 'Slots',
    numeric: true,
    by: ({ slots }) => slots,
    cell: ({ slots }) => slots,
  },
  {
    key: 'primary',
    label: 'Primary',
    by: ({ primary }) => primary ?? '',
    cell: ({ primary }) => primary ?? <span class="tone-bad">▲ none</span>,
  },
  {
    key: 'why',
    label: 'Why',
    cell: ({ copies, moves, scrub, split, why }) => {
      if (split !== undefined) return `splits ${split}`;
      if (moves !== undefined) return `moves ${moves}`;
      const damaged = copies.filter(({ rebuilt }) => rebuilt !== undefined);
      const unread = scrub?.copies.filter(({ result }) => result === 'failed') ?? [];
      if (damaged.length === 0 && unread.length === 0) return why ?? '–';
      const words = [
        ...damaged.map(({ node, rebuilt }) => `built anew on ${node}: ${rebuilt}`),
        ...unread.map((one) => `not compared with the copy on ${one.node}: ${one.why}`),
      ];
      return <span class="told tone-warn">▲ {words.join('; ')}</span>;
    },
  },
  {
    key: 'mirrors',
    label: 'Mirrors',
    cell: ({ copies }) =>
      copies
        .filter(({ role }) => role === 'mirror')
        .map(({ node, lag }) => (lag === 0 ? node : `${node}, ${count(lag, 'change')} behind`))
        .join('; ') || '–',
  },
  {
    key: 'snapshot',
    label: 'Snapshot',
    cell: ({ snapshot }) =>
      snapshot === undefined
        ? '–'
        : [...snapshot.nodes, ...(snapshot.isStored === true ? ['file store'] : [])].join('; '),
  },
  {
    key: 'log',
    label: 'Log entries',
    numeric: true,
    by: ({ logEntries }) => logEntries,
    cell: ({ logEntries }) => formatNumber(logEntries),
  },
  {
    key: 'transactions',
    label: 'Transactions',
    numeric: true,
    by: ({ transactions }) => transactions,
    cell: ({ transactions }) => formatNumber(transactions),
  },
  {
    key: 'group',
    label: 'Transactions a group',
    numeric: true,
    cell: (stripe) => perGroup(stripe, stripe.transactions, 1),
  },
  {
    key: 'append',
    label: 'Time of an append',
    numeric: true,
    cell: (stripe) => (stripe.groups === 0 ? '–' : `${perGroup(stripe, stripe.appendMs, 2)} ms`),
  },
];

function queryColumns(
  onKill: ((query: QueryDetail) => void) | undefined,
): readonly Column<QueryDetail>[] {
  const columns: readonly Column<QueryDetail>[] = [
    {
      key: 'sql',
      label: 'Statement',
      cell: ({ sql }) => (
        <code class="statement" title={sql}>
          {sql}
        </code>
      ),
    },
    { key: 'node', label: 'Node', by: ({ node }) => node, cell: ({ node }) => node },
    { key: 'caller', label: 'Caller', by: ({ caller }) => caller, cell: ({ caller }) => caller },
    {
      key: 'time',
      label: 'Time',
      numeric: true,
      by: ({ ms }) => ms,
      cell: ({ ms }) => formatDuration(ms),
    },
  ];
  if (onKill === undefined) return columns;
  const end: Column<QueryDetail> = {
    key: 'kill',
    label: 'End',
    cell: (query) => (
      <button type="button" onClick={() => onKill(query)}>
        End
      </button>
    ),
  };
  return [...columns, end];
}

export function DatabasePage(props: { readonly name: string }): VNode {
  const { name } = props;
  const { value: data, failure } = usePolled(
    name,
    (signal) => api.database(name, signal),
    EVERY_MS,
  );
  const [problem, setProblem] = useState('');
  if (data === undefined) {
    return (
      <>
        <h1>{name}</h1>
        <p class="lead">{failure === undefined ? 'Reading …' : failure.message}</p>
      </>
    );
  }
  const kill = (query: QueryDetail): void => {
    api.killQuery(name, query.id).then(
      () => setProblem(''),
      (failure: unknown) => setProblem(messageOf(failure)),
    );
  };
  return (
    <>
      <h1>{name}</h1>
      <p class="lead">
        <StateMark state={data.state} /> {data.why} {formatBytes(data.bytes)} at{' '}
        <code>{data.path}</code>
      </p>
      {data.restorable === undefined ? null : (
        <p class="quiet">
          Can be had as of any moment from {formatAbsolute(data.restorable.from)} to{' '}
          {formatAbsolute(data.restorable.to)}:{' '}
          <code>moln db restore {name} --at TIME --as NEW</code>
        </p>
      )}
      <Section id="stripes" title="Stripes" command={`moln db stripes ${name}`}>
        <DataTable
          caption="Stripes"
          columns={STRIPE_COLUMNS}
          rows={data.stripeDetails}
          rowKey={({ number }) => String(number)}
          empty="No stripe answers."
        />
      </Section>
      <Section id="queries" title="Runs now" command={`moln db show ${name}`}>
        <p role="status" class="tone-bad">
          {problem}
        </p>
        <DataTable
          caption="Statements that run now"
          columns={queryColumns(kill)}
          rows={data.queries}
          rowKey={({ id, node }) => `${node} ${id}`}
          empty="No statement runs."
        />
      </Section>
      <Section id="slow" title="Ran long" command={`moln db show ${name}`}>
        <DataTable
          caption="Statements that ran long"
          columns={queryColumns(undefined)}
          rows={newest(data.slow)}
          rowKey={({ id, node }) => `${node} ${id}`}
          empty="None ran long."
        />
      </Section>
    </>
  );
}

function newest(queries: readonly QueryDetail[]): readonly QueryDetail[] {
  return queries.toSorted((one, other) => other.startedAt - one.startedAt).slice(0, SLOW_SHOWN);
}
