/**
 * What a page shows before, or without, any script: the node and its apps as plain tables. Readable by a person,
 * a screen reader and a text browser; the application replaces it.
 */
import type { AppDetail, AppSummary, Status } from '../api/model.ts';
import { isoTime } from '../base/time.ts';
import { formatBytes } from '../base/units.ts';
import { html, type Html, type HtmlValue } from './html.ts';

export interface FirstPage {
  readonly path: string;
  readonly caller: { readonly name: string; readonly scope: string };
  readonly status: Status;
  readonly app: AppDetail | undefined;
}

const APP_PATH = /^\/apps\/[^/]+$/;

export function titleOf({ path, app, status }: FirstPage): string {
  if (app !== undefined) return `${app.name} · Moln`;
  if (path === '/gateway') return 'Gateway · Moln';
  if (path === '/settings') return 'Settings · Moln';
  return `${status.cluster.name} · Moln`;
}

export function renderFirstPage(page: FirstPage): Html {
  return html`<header class="top">
      <div class="top-inner">
        <a class="brand" href="/">Moln</a>
        <nav aria-label="Main">
          <a href="/">Overview</a> <a href="/gateway">Gateway</a> <a href="/settings">Settings</a>
        </nav>
        <p class="where">${page.status.cluster.name}</p>
      </div>
    </header>
    <main>${content(page)}</main>
    <footer class="foot">
      <form method="post" action="/logout">
        <p>
          Logged in as ${page.caller.name} (${page.caller.scope}).
          <button type="submit">Log out</button>
        </p>
      </form>
    </footer>`;
}

function content(page: FirstPage): HtmlValue {
  const { path, app, status } = page;
  if (app !== undefined) return appPage(app);
  if (APP_PATH.test(path)) {
    return html`<h1>No such app</h1>
      <p>There is no app of that name. These are there:</p>
      ${appsTable(status.apps)}`;
  }
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
      `${node.name}${node.name === status.leader ? ' (leader)' : ''}`,
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
