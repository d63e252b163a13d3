/** Routes and listeners of all gateways, beside the hosts of apps and the ports of each node. */
import type { VNode } from 'preact';
import type { ListenerDetail, RouteDetail } from '../../api/model.ts';
import type { Column } from './data-table.tsx';
import type { View } from './view.ts';
import { api } from './api.ts';
import { DataTable } from './data-table.tsx';
import { count, formatNumber } from './format.ts';
import { Ago } from './moment.tsx';
import { RecordEditor } from './record-editor.tsx';
import { appPath, recordPath } from './router.ts';
import { Section } from './section.tsx';
import { usePolled } from './time-hooks.ts';

const EVERY_MS = 3000;

function Condition(props: { readonly troubles: readonly string[] }): VNode {
  const { troubles } = props;
  if (troubles.length === 0) return <span class="tone-good">● In use</span>;
  return <span class="tone-warn sentence-cell">▲ {troubles.join('; ')}</span>;
}

const ROUTE_COLUMNS: readonly Column<RouteDetail>[] = [
  {
    key: 'name',
    label: 'Route',
    by: (route) => route.name,
    cell: (route) => <a href={recordPath('route', route.name)}>{route.name}</a>,
  },
  {
    key: 'host',
    label: 'Host',
    by: (route) => route.hosts.join(' '),
    cell: (route) => <code>{route.hosts.join(' ')}</code>,
  },
  {
    key: 'path',
    label: 'Path',
    by: (route) => route.path,
    cell: (route) => <code>{route.path}</code>,
  },
  {
    key: 'to',
    label: 'Leads to',
    by: (route) => route.leadsTo,
    cell: (route) => <LeadsTo route={route} />,
  },
  {
    key: 'cache',
    label: 'Cache',
    by: (route) => (route.isCached ? 1 : 0),
    cell: (route) => (route.isCached ? 'yes' : '–'),
  },
  {
    key: 'requests',
    label: 'Requests',
    numeric: true,
    by: (route) => route.requests,
    cell: (route) => formatNumber(route.requests),
  },
  {
    key: 'state',
    label: 'State',
    by: (route) => route.troubles.length,
    cell: (route) => <Condition troubles={route.troubles} />,
  },
  {
    key: 'changed',
    label: 'Changed',
    by: (route) => route.changedAt,
    cell: (route) => <Ago at={route.changedAt} />,
  },
];

function LeadsTo(props: { readonly route: RouteDetail }): VNode {
  const { target, leadsTo } = props.route;
  switch (target) {
    case 'app':
      return (
        <>
          app <a href={appPath(leadsTo)}>{leadsTo}</a>
        </>
      );
    case 'bucket':
      return (
        <>
          bucket <code>{leadsTo}</code>
        </>
      );
    case 'upstreams':
      return <code>{leadsTo}</code>;
    case 'redirect':
      return (
        <>
          redirect to <code>{leadsTo}</code>
        </>
      );
    case 'respond':
      return <>answer {leadsTo}</>;
  }
}

const LISTENER_COLUMNS: readonly Column<ListenerDetail>[] = [
  {
    key: 'name',
    label: 'Listener',
    by: (listener) => listener.name,
    cell: (listener) => <a href={recordPath('listener', listener.name)}>{listener.name}</a>,
  },
  {
    key: 'protocol',
    label: 'Protocol',
    by: (listener) => listener.protocol,
    cell: (listener) => listener.protocol.toUpperCase(),
  },
  {
    key: 'port',
    label: 'Port',
    numeric: true,
    by: (listener) => listener.port,
    cell: (listener) => listener.port,
  },
  {
    key: 'to',
    label: 'Leads to',
    by: (listener) => listener.leadsTo,
    cell: (listener) => <code>{listener.leadsTo}</code>,
  },
  {
    key: 'state',
    label: 'State',
    by: (listener) => listener.troubles.length,
    cell: (listener) => (
      <Condition
        troubles={listener.troubles.map(({ node, message }) => `not open on ${node}: ${message}`)}
      />
    ),
  },
  {
    key: 'changed',
    label: 'Changed',
    by: (listener) => listener.changedAt,
    cell: (listener) => <Ago at={listener.changedAt} />,
  },
];

export function RoutesPage(props: View): VNode {
  const routes = usePolled(
    'routes',
    (signal) => api.records('route', signal),
    EVERY_MS,
    props.first.routes,
  );
  const listeners = usePolled('listeners', (signal) => api.records('listener', signal), EVERY_MS);
  const apps = props.status.apps.map(({ name }) => name);
  const known = routes.value ?? [];
  const ports = listeners.value ?? [];
  return (
    <>
      <h1>Routes</h1>
      <p class="lead">
        {count(known.length, 'route')} and {count(ports.length, 'listener')} at the gateways of all
        nodes, beside the hosts of apps.
      </p>
      {routes.failure === undefined ? null : <p class="tone-bad">✗ {routes.failure.message}</p>}
      <Section id="route-list" title="Routes" command="moln route list">
        <DataTable
          caption="Routes"
          columns={ROUTE_COLUMNS}
          rows={known}
          rowKey={(route) => route.name}
          empty="None yet. A route leads a host, or a path of one, to servers, an app or another address."
        />
      </Section>
      <RecordEditor kind="route" known={undefined} apps={apps} onSaved={routes.refresh} />
      <Section id="listener-list" title="Listeners" command="moln listener list">
        <DataTable
          caption="Listeners"
          columns={LISTENER_COLUMNS}
          rows={ports}
          rowKey={(listener) => listener.name}
          empty="None yet. A listener is one more port of all gateways: for TCP or UDP, or for HTTP."
        />
      </Section>
      <RecordEditor kind="listener" known={undefined} apps={apps} onSaved={listeners.refresh} />
    </>
  );
}
