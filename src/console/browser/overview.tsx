/** The first page: how it stands in one sentence, boxes, charts, the picture, and the tables. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AppSummary, WorkerStatus } from '../../api/model.ts';
import type { Column } from './data-table.tsx';
import type { View } from './view.ts';
import { topologyOf } from './app-facts.ts';
import { useAppDetails } from './app-details.ts';
import { Boxes } from './boxes.tsx';
import { DataTable } from './data-table.tsx';
import { NodeCharts } from './live-charts.tsx';
import { Ago } from './moment.tsx';
import { appPath } from './router.ts';
import { Section } from './section.tsx';
import { StateIcon, StateMark } from './state-mark.tsx';
import { TopologyPicture } from './topology.tsx';
import { worstTone } from './wording.ts';

const APP_COLUMNS: readonly Column<AppSummary>[] = [
  {
    key: 'name',
    label: 'App',
    by: (app) => app.name,
    cell: (app) => <a href={appPath(app.name)}>{app.name}</a>,
  },
  {
    key: 'state',
    label: 'State',
    by: (app) => app.state,
    cell: (app) => <StateMark state={app.state} />,
  },
  { key: 'kind', label: 'Kind', by: (app) => app.kind, cell: (app) => app.kind },
  {
    key: 'instances',
    label: 'Instances',
    numeric: true,
    by: (app) => app.instances.healthy,
    cell: (app) =>
      app.kind === 'static' ? (
        <span title="The gateway serves its files itself">none needed</span>
      ) : (
        `${app.instances.healthy} of ${app.instances.wanted}`
      ),
  },
  {
    key: 'release',
    label: 'Release',
    cell: (app) => (app.release === undefined ? '–' : <code>{app.release}</code>),
  },
  {
    key: 'deployed',
    label: 'Deployed',
    by: (app) => app.deployedAt ?? 0,
    cell: (app) => <Ago at={app.deployedAt} />,
  },
  {
    key: 'url',
    label: 'Address',
    cell: (app) => {
      const url = app.urls[0];
      return url === undefined ? (
        '–'
      ) : (
        <a href={url} target="_blank" rel="noreferrer">
          {url.replace(/^https?:\/\//, '').replace(/\/$/, '')}
        </a>
      );
    },
  },
];

const WORKER_COLUMNS: readonly Column<WorkerStatus>[] = [
  { key: 'name', label: 'Worker', by: (worker) => worker.name, cell: (worker) => worker.name },
  {
    key: 'state',
    label: 'State',
    by: (worker) => worker.state,
    cell: (worker) => <StateMark state={worker.state} />,
  },
  { key: 'status', label: 'What it does', cell: (worker) => worker.status },
  {
    key: 'errors',
    label: 'Errors',
    numeric: true,
    by: (worker) => worker.errors,
    cell: (worker) => worker.errors,
  },
  { key: 'last', label: 'Last error', cell: (worker) => worker.lastError ?? '–' },
];

function AppsPanel(props: { readonly apps: readonly AppSummary[] }): VNode {
  const [filter, setFilter] = useState('');
  const wanted = filter.trim().toLowerCase();
  const rows = props.apps.filter((app) =>
    `${app.name} ${app.kind} ${app.state} ${app.urls.join(' ')}`.toLowerCase().includes(wanted),
  );
  const tools = (
    <label class="filter">
      <span class="hidden">Filter apps</span>
      <input
        type="search"
        placeholder="Filter apps ( / )"
        data-filter
        value={filter}
        onInput={(event) => setFilter(event.currentTarget.value)}
      />
    </label>
  );
  return (
    <Section id="apps" title="Apps" command="moln apps" tools={tools}>
      <DataTable
        caption="Apps"
        columns={APP_COLUMNS}
        rows={rows}
        rowKey={(app) => app.name}
        empty={
          props.apps.length === 0 ? (
            <>
              No app yet. Deploy a folder: <code>moln deploy FOLDER --name NAME</code>
            </>
          ) : (
            `No app matches “${filter}”.`
          )
        }
      />
    </Section>
  );
}

export function Overview(props: View): VNode {
  const { status, live } = props;
  const details = useAppDetails(status);
  const sample = live.samples.at(-1);
  const tone = worstTone([
    ...status.apps.map((app) => app.state),
    ...status.nodes.map((node) => node.state),
  ]);
  const headState = {
    good: 'healthy',
    busy: 'deploying',
    warn: 'degraded',
    bad: 'failing',
    quiet: 'healthy',
  }[tone];
  return (
    <>
      <div class="sentence-head">
        <h1 class="hidden">Overview</h1>
        <p class="sentence" aria-live="polite">
          <StateIcon state={headState} large />
          <span>{status.sentence}</span>
        </p>
      </div>
      <Boxes status={status} sample={sample} />
      <Section id="live" title="Last 10 minutes" command="moln status --json">
        <NodeCharts samples={live.samples} />
      </Section>
      <Section id="topology" title="What runs where" command="moln nodes">
        <TopologyPicture
          nodes={topologyOf(status, details ?? [])}
          requestsPerSecond={sample?.requestsPerSecond ?? 0}
        />
      </Section>
      <AppsPanel apps={status.apps} />
      <Section id="workers" title="Background work" command="moln status --json">
        <DataTable
          caption="Background work"
          columns={WORKER_COLUMNS}
          rows={status.workers}
          rowKey={(worker) => worker.name}
          empty="Nothing runs in the background."
        />
      </Section>
    </>
  );
}
