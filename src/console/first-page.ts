/**
 * What a page shows before, or without, any script: the node and its apps as plain tables. Readable by a person,
 * a screen reader and a text browser; the application replaces it.
 */
import type {
  AppDetail,
  AppSummary,
  EventDetail,
  NodeStatus,
  RouteDetail,
  Status,
} from '../api/model.ts';
import { isoTime } from '../base/time.ts';
import { formatBytes } from '../base/units.ts';
import { html, type Html, type HtmlValue } from '../base/html.ts';

export interface FirstPage {
  readonly path: string;
  readonly caller: { readonly name: string; readonly scope: string };
  readonly status: Status;
  readonly app: AppDetail | undefined;
  readonly node: NodeStatus | undefined;
  /** Oldest first; only on their page. */
  readonly events: readonly EventDetail[] | undefined;
  /** Only on their page. */
  readonly routes: readonly RouteDetail[] | undefined;
}

const APP_PATH = /^\/apps\/[^/]+$/;
const DATABASE_PATH = /^\/databases\/[^/]+$/;
const STORAGE_PATH = /^\/storage(?:\/[^/]+)?$/;
const NODE_PATH = /^\/nodes\/[^/]+$/;
/** The newest ones; the rest is for `moln events`. */
const EVENTS_SHOWN = 200;
const TITLES: Readonly<Record<string, string>> = {
  '/databases': 'Databases',
  '/storage': 'Storage',
  '/nodes': 'Nodes',
  '/routes': 'Routes',
  '/gateway': 'Gateway',
  '/events': 'Events',
  '/settings': 'Settings',
};

export function titleOf({ path, app, node, status }: FirstPage): string {
  return `${app?.name ?? node?.name ?? TITLES[path] ?? status.cluster.name} · Moln`;
}

export function renderFirstPage(page: FirstPage): Html {
  return html`<header class="top">
      <div class="top-inner">
        <a class="brand" href="/">Moln</a>
        <nav aria-label="Main">
          <a href="/">Overview</a> <a href="/databases">Databases</a> <a href="/storage">Storage</a>
          <a href="/nodes">Nodes</a> <a href="/routes">Routes</a>
          <a href="/gateway">Gateway</a>
          <a href="/events">Events</a> <a href="/settings">Settings</a>
        </nav>
        <p class="where">${page.status.cluster.name}</p>
      </div>
    </header>
    <main>${page.status.registry.isLive ? '' : away(page.status)}${content(page)}</main>
    <footer class="foot">
      <form method="post" action="/logout">
        <p>
          Logged in as ${page.caller.name} (${page.caller.scope}).
          <button type="submit">Log out</button>
        </p>
      </form>
    </footer>`;
}

function away(status: Status): Html {
  return html`<p role="alert">What is shown may be old, and changes wait. ${status.managers}.</p>`;
}

function content(page: FirstPage): HtmlValue {
  const { path, app, node, status } = page;
  if (app !== undefined) return appPage(app);
  if (node !== undefined) return nodePage(node, status);
  if (APP_PATH.test(path)) {
    return html`<h1>No such app</h1>
      <p>There is no app of that name. These are there:</p>
      ${appsTable(status.apps)}`;
  }
  if (NODE_PATH.test(path)) {
    return html`<h1>No such node</h1>
      <p>There is no node of that name. These are there:</p>
      ${nodesTable(status)}`;
  }
  if (path === '/nodes') {
    return html`<h1>Nodes</h1>
      <p>${status.managers}.</p>
      ${nodesTable(status)} ${command('moln nodes')}`;
  }
  if (path === '/databases' || DATABASE_PATH.test(path)) {
    return html`<h1>Databases</h1>
      ${command('moln db list')}`;
  }
  if (STORAGE_PATH.test(path)) {
    return html`<h1>Storage</h1>
      ${command('moln files df')}`;
  }
  if (path === '/events') return eventsPage(page.events ?? []);
  if (path === '/routes') return routesPage(page.routes ?? []);
  if (path === '/gateway') return gatewayPage(status);
  if (path === '/settings') return settingsPage();
  return html`<h1>${status.sentence}</h1>
    ${appsTable(status.apps)} ${nodesTable(status)} ${command('moln status')}`;
}

function command(text: string): Html {
  return html`<p>The same on the command line: <code>${text}</code></p>`;
}

/** A table with a caption; cells of the first column head their rows. */
function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly HtmlValue[])[],
): Html {
  return html`<table>
    <caption>
      ${caption}
    </caption>
    <thead>
      <tr>
        ${heads.map((head) => html`<th scope="col">${head}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ([first, ...rest]) =>
          html`<tr>
            <th scope="row">${first}</th>
            ${rest.map((cell) => html`<td>${cell}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function moment(ms: number | undefined): HtmlValue {
  if (ms === undefined) return 'never';
  const iso = isoTime(ms);
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`;
}

/** Only addresses that a browser opens: what an app is called must not become a script. */
function link(url: string): HtmlValue {
  return /^https?:\/\//.test(url) ? html`<a href="${url}" rel="noreferrer">${url}</a> ` : `${url} `;
}

function appsTable(apps: readonly AppSummary[]): Html {
  if (apps.length === 0) {
    return html`<p>No apps yet. Deploy one: <code>moln deploy DIR --name NAME</code></p>`;
  }
  return table(
    'Apps',
    ['App', 'State', 'Instances', 'Kind', 'Release', 'Deployed', 'Addresses'],
    apps.map((app) => [
      html`<a href="/apps/${encodeURIComponent(app.name)}">${app.name}</a>`,
      app.state,
      `${app.instances.healthy} of ${app.instances.wanted}`,
      app.kind,
      app.release ?? 'none',
      moment(app.deployedAt),
      app.urls.map(link),
    ]),
  );
}

function nodesTable(status: Status): Html {
  return table(
    'Nodes',
    ['Node', 'State', 'Region', 'Address', 'CPU', 'Memory', 'Disk', 'Since'],
    status.nodes.map((node) => [
      html`<a href="/nodes/${encodeURIComponent(node.name)}">${node.name}</a>${
          node.name === status.leader ? ' (leader)' : ''
        }`,
      node.state,
      node.region,
      `${node.address}:${node.port}`,
      `${Math.round(node.cpu.usedRatio * 100)} % of ${node.cpu.cores} cores`,
      `${formatBytes(node.memory.usedBytes)} of ${formatBytes(node.memory.totalBytes)}`,
      `${formatBytes(node.disk.freeBytes)} free of ${formatBytes(node.disk.totalBytes)}`,
      moment(node.startedAt),
    ]),
  );
}

function labelsOf({ labels }: NodeStatus): string {
  const words = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return words.length === 0 ? 'none' : words.join(' ');
}

function nodePage(node: NodeStatus, status: Status): Html {
  return html`<h1>${node.name}: ${node.state}</h1>
    ${table(
      'Facts',
      ['What', 'Is'],
      [
        ['Region', node.region],
        ['Leads', node.name === status.leader ? 'yes' : 'no'],
        ['Address', `${node.address}:${node.port}`],
        ['Version', node.version === '' ? 'unknown' : node.version],
        ['Labels', labelsOf(node)],
        ['Data folder', node.dataFolder === '' ? 'unknown' : node.dataFolder],
        ['Started', moment(node.startedAt === 0 ? undefined : node.startedAt)],
      ],
    )}
    ${command(`moln node ${node.name}`)}`;
}

function eventsPage(events: readonly EventDetail[]): Html {
  const newest = events.slice(-EVENTS_SHOWN).toReversed();
  const list =
    newest.length === 0
      ? html`<p>Nothing has happened yet.</p>`
      : table(
          'Events, newest first',
          ['When', 'Kind', 'What'],
          newest.map((event) => [moment(event.at), event.kind, event.text]),
        );
  return html`<h1>Events</h1>
    ${list} ${command('moln events')}`;
}

function routesPage(routes: readonly RouteDetail[]): Html {
  const list =
    routes.length === 0
      ? html`<p>No routes beside those of apps.</p>`
      : table(
          'Routes',
          ['Route', 'Host', 'Path', 'Leads to', 'Cache', 'Requests', 'Troubles'],
          routes.map((route) => [
            route.name,
            route.hosts.join(' '),
            route.path,
            route.leadsTo,
            route.isCached ? 'yes' : '–',
            String(route.requests),
            route.troubles.join('; '),
          ]),
        );
  return html`<h1>Routes</h1>
    ${list} ${command('moln route list')}`;
}

function gatewayPage({ gateway }: Status): Html {
  return html`<h1>Gateway</h1>
    <p>Listens on ${link(gateway.url)} and ${link(gateway.httpsUrl)}</p>
    ${table(
      'Gateway processes',
      ['Process', 'State', 'Connections', 'Memory'],
      gateway.workers.map((worker) => [
        worker.pid,
        worker.state,
        worker.connections,
        formatBytes(worker.memoryBytes),
      ]),
    )}
    ${command('moln status')}`;
}

function settingsPage(): Html {
  return html`<h1>Settings</h1>
    <p>Tokens are made and revoked here with scripts, or on the command line:</p>
    <ul>
      <li><code>moln token list</code></li>
      <li><code>moln token create --name NAME --scope read</code></li>
    </ul>`;
}

function appPage(app: AppDetail): Html {
  return html`<h1>${app.name}: ${app.state}</h1>
    <p>${app.explanation}</p>
    <p>${app.urls.map(link)}</p>
    ${table(
      'Instances',
      ['Instance', 'Process', 'State', 'Release', 'Node', 'Restarts', 'Since', 'Why'],
      app.instanceList.map((instance) => [
        instance.id,
        instance.process,
        instance.state,
        instance.release,
        instance.node,
        instance.restarts,
        moment(instance.startedAt),
        instance.reason,
      ]),
    )}
    ${table(
      'Deploys',
      ['Release', 'When', 'By', 'What'],
      app.history.map((entry) => [entry.release, moment(entry.at), entry.by, entry.kind]),
    )}
    ${table(
      'Settings',
      ['Name', 'Value'],
      [
        ...Object.entries(app.env),
        ...app.secretNames.map((name): [string, string] => [name, 'secret, never shown']),
      ],
    )}
    ${command(`moln app ${app.name}`)}`;
}
