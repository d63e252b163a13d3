/** The first page: how it stands in one sentence, boxes, charts, the picture, and the tables. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AppDetail, AppSummary, NodeStatus, WorkerStatus } from '../../api/model.ts';
import type { Column } from './data-table.tsx';
import type { View } from './view.ts';
import { formatBytes } from '../../base/units.ts';
import { topologyOf } from './app-facts.ts';
import { api } from './api.ts';
import { Boxes } from './boxes.tsx';
import { DataTable } from './data-table.tsx';
import { formatPercent } from './format.ts';
import { NodeCharts } from './live-charts.tsx';
import { Ago, Since } from './moment.tsx';
import { appPath } from './router.ts';
import { Section } from './section.tsx';
import { StateIcon, StateMark } from './state-mark.tsx';
import { usePolled } from './time-hooks.ts';
import { TopologyPicture } from './topology.tsx';
import { worstTone } from './wording.ts';

const DETAILS_EVERY_MS = 5000;
/** Apps whose instances are drawn one by one; of further ones only the app itself. */
const DETAILED_APPS_MAX = 24;

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

const NODE_COLUMNS: readonly Column<NodeStatus>[] = [
  { key: 'name', label: 'Node', by: (node) => node.name, cell: (node) => node.name },
  {
    key: 'state',
    label: 'State',
    by: (node) => node.state,
    cell: (node) => <StateMark state={node.state} />,
  },
  { key: 'region', label: 'Region', by: (node) => node.region, cell: (node) => node.region },
  {
    key: 'labels',
    label: 'Labels',
    cell: (node) => {
      const labels = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`);
      return labels.length === 0 ? '–' : labels.join(' ');
    },
  },
  {
    key: 'cpu',
    label: 'CPU',
    numeric: true,
    by: (node) => node.cpu.usedRatio,
    cell: (node) => `${formatPercent(node.cpu.usedRatio)} of ${node.cpu.cores}`,
  },
  {
    key: 'memory',
    label: 'Memory',
    numeric: true,
    by: (node) => node.memory.usedBytes,
    cell: (node) =>
      `${formatBytes(node.memory.usedBytes)} of ${formatBytes(node.memory.totalBytes)}`,
  },
  {
    key: 'disk',
    label: 'Disk free',
    numeric: true,
    by: (node) => node.disk.freeBytes,
    cell: (node) => `${formatBytes(node.disk.freeBytes)} of ${formatBytes(node.disk.totalBytes)}`,
  },
  {
    key: 'address',
    label: 'Address',
    cell: (node) => (
      <code>
        {node.address}:{node.port}
      </code>
    ),
  },
  {
    key: 'up',
    label: 'Up for',
    by: (node) => -node.startedAt,
    cell: (node) => <Since at={node.startedAt} />,
  },
  {
    key: 'data',
    label: 'Data folder',
    cell: (node) => <code class="path">{node.dataFolder}</code>,
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

/** An app that was removed meanwhile is left out instead of hiding the others. */
async function detailsOf(
  names: readonly string[],
  signal: AbortSignal,
): Promise<readonly AppDetail[]> {
  const settled = await Promise.allSettled(names.map((name) => api.app(name, signal)));
  return settled.filter((one) => one.status === 'fulfilled').map((one) => one.value);
}

export function Overview(props: View): VNode {
  const { status, live } = props;
  const names = status.apps.slice(0, DETAILED_APPS_MAX).map((app) => app.name);
  const details = usePolled(
    names.join(' '),
    (signal) => detailsOf(names, signal),
    DETAILS_EVERY_MS,
  );
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
      <Section id="topology" title="What runs where" command="moln status">
        <TopologyPicture
          nodes={topologyOf(status, details.value ?? [])}
          requestsPerSecond={sample?.requestsPerSecond ?? 0}
        />
      </Section>
      <AppsPanel apps={status.apps} />
      <Section id="nodes" title="Nodes" command="moln status">
        <DataTable
          caption="Nodes"
          columns={NODE_COLUMNS}
          rows={status.nodes}
          rowKey={(node) => node.id}
          empty="No node answers."
        />
      </Section>
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
