/** The gateway: where it listens, its workers, and where each host name leads. */
import type { VNode } from 'preact';
import type { GatewayStatus, LiveSample } from '../../api/model.ts';
import type { Route } from './app-facts.ts';
import type { Column } from './data-table.tsx';
import type { View } from './view.ts';
import { formatBytes } from '../../base/units.ts';
import { Addresses } from './addresses.tsx';
import { routesOf } from './app-facts.ts';
import { Certificates } from './certificates.tsx';
import { DataTable } from './data-table.tsx';
import { count, formatNumber } from './format.ts';
import { NodeCharts } from './live-charts.tsx';
import { RegionFlows } from './region-flows.tsx';
import { appPath } from './router.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';

type GatewayWorker = GatewayStatus['workers'][number];

const WORKER_COLUMNS: readonly Column<GatewayWorker>[] = [
  { key: 'pid', label: 'PID', by: (worker) => worker.pid, cell: (worker) => worker.pid },
  {
    key: 'state',
    label: 'State',
    by: (worker) => worker.state,
    cell: (worker) => <StateMark state={worker.state} />,
  },
  {
    key: 'connections',
    label: 'Connections',
    numeric: true,
    by: (worker) => worker.connections,
    cell: (worker) => formatNumber(worker.connections),
  },
  {
    key: 'memory',
    label: 'Memory',
    numeric: true,
    by: (worker) => worker.memoryBytes,
    cell: (worker) => formatBytes(worker.memoryBytes),
  },
];

function routeColumns(sample: LiveSample | undefined): readonly Column<Route>[] {
  const rates = (route: Route): { requestsPerSecond: number; errorsPerSecond: number } =>
    sample?.apps[route.app.name] ?? { requestsPerSecond: 0, errorsPerSecond: 0 };
  return [
    {
      key: 'host',
      label: 'Address',
      by: (route) => route.host,
      cell: (route) => (
        <a href={route.url} target="_blank" rel="noreferrer">
          {route.url}
        </a>
      ),
    },
    {
      key: 'app',
      label: 'App',
      by: (route) => route.app.name,
      cell: (route) => <a href={appPath(route.app.name)}>{route.app.name}</a>,
    },
    {
      key: 'state',
      label: 'State',
      by: (route) => route.app.state,
      cell: (route) => <StateMark state={route.app.state} />,
    },
    {
      key: 'upstreams',
      label: 'Answered by',
      cell: (route) =>
        route.app.kind === 'static'
          ? 'files'
          : `${route.app.instances.healthy} of ${count(route.app.instances.wanted, 'instance')}`,
    },
    {
      key: 'requests',
      label: 'App requests/s',
      numeric: true,
      by: (route) => rates(route).requestsPerSecond,
      cell: (route) => formatNumber(rates(route).requestsPerSecond),
    },
    {
      key: 'errors',
      label: 'App errors/s',
      numeric: true,
      by: (route) => rates(route).errorsPerSecond,
      cell: (route) => formatNumber(rates(route).errorsPerSecond),
    },
  ];
}

export function GatewayPage(props: View): VNode {
  const { status, live } = props;
  const { gateway } = status;
  const addresses = [gateway.url, gateway.httpsUrl].filter((url) => url !== '');
  return (
    <>
      <h1>Gateway</h1>
      <p class="lead">
        {count(gateway.workers.filter((worker) => worker.state === 'serving').length, 'worker')}{' '}
        serving on{' '}
        {addresses.map((url, index) => (
          <span key={url}>
            {index > 0 ? ' and ' : ''}
            <code>{url}</code>
          </span>
        ))}
      </p>
      <Section id="live" title="Last 10 minutes" command="moln status --json">
        <NodeCharts samples={live.samples} />
      </Section>
      <Section id="routes" title="Routes" command="moln apps">
        <DataTable
          caption="Routes"
          columns={routeColumns(live.samples.at(-1))}
          rows={routesOf(status.apps)}
          rowKey={(route) => route.url}
          empty="No app has an address yet."
        />
      </Section>
      <RegionFlows />
      <Certificates />
      <Addresses />
      <Section id="gateway-workers" title="Workers" command="moln status">
        <DataTable
          caption="Gateway workers"
          columns={WORKER_COLUMNS}
          rows={gateway.workers}
          rowKey={(worker) => String(worker.pid)}
          empty="No gateway worker runs."
        />
      </Section>
    </>
  );
}
