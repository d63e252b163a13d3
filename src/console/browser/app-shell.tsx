/** The frame around every page: navigation, whether the node answers, and which page is shown. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Status } from '../../api/model.ts';
import type { Connection, LiveState } from './live-feed.ts';
import type { Page } from './router.ts';
import type { FirstData, View } from './view.ts';
import { systemClock } from '../../base/time.ts';
import { api, LOGGED_OUT } from './api.ts';
import { AppPage } from './app-page.tsx';
import { Banner } from './banner.tsx';
import { DatabasePage, DatabasesPage } from './databases-page.tsx';
import { EventsPage } from './events-page.tsx';
import { GatewayPage } from './gateway-page.tsx';
import { KeyboardHelp, useKeyboard } from './keyboard.tsx';
import { LiveFeed } from './live-feed.ts';
import { NodePage } from './node-page.tsx';
import { NodesPage } from './nodes-page.tsx';
import { Overview } from './overview.tsx';
import { RecordPage } from './record-page.tsx';
import { titleOf, usePage } from './router.ts';
import { RoutesPage } from './routes-page.tsx';
import { SettingsPage } from './settings-page.tsx';
import { StoragePage } from './storage-page.tsx';
import { BucketPage } from './bucket-page.tsx';
import { LoggedOut } from './logged-out.tsx';
import { useNow, usePolled, whileVisible } from './time-hooks.ts';

const STATUS_EVERY_MS = 2000;

/** Where it leads, what it is called, and the pages that belong to it. */
const NAVIGATION: readonly (readonly [string, string, readonly Page['kind'][]])[] = [
  ['/', 'Overview', ['overview']],
  ['/#apps', 'Apps', ['app']],
  ['/databases', 'Databases', ['databases', 'database']],
  ['/storage', 'Storage', ['storage', 'bucket']],
  ['/nodes', 'Nodes', ['nodes', 'node']],
  ['/routes', 'Routes', ['routes', 'route', 'listener']],
  ['/gateway', 'Gateway', ['gateway']],
  ['/events', 'Events', ['events']],
  ['/settings', 'Settings', ['settings']],
];

function useLive(): LiveState {
  const [state, setState] = useState<LiveState>({
    samples: [],
    connection: { kind: 'connecting' },
  });
  useEffect(() => {
    const feed = new LiveFeed({ source: api, clock: systemClock, onChange: setState });
    return whileVisible((signal) => feed.run(signal));
  }, []);
  return state;
}

function ConnectionNote(props: { readonly connection: Connection }): VNode {
  const { connection } = props;
  const now = useNow();
  const lost = connection.kind === 'lost';
  return (
    <div class="connection" role="status">
      {lost ? 'Connection lost, retrying. What you see may be old.' : null}
      {lost && connection.retryAt > now ? (
        <span aria-hidden="true">
          {' '}
          Next try in {Math.ceil((connection.retryAt - now) / 1000)} s.
        </span>
      ) : null}
    </div>
  );
}

function Header(props: {
  readonly page: Page;
  readonly status: Status | undefined;
  readonly onHelp: () => void;
}): VNode {
  const navigation = useRef<HTMLElement>(null);
  // On narrow screens the navigation scrolls: where one is must be seen.
  useEffect(() => {
    const current = navigation.current?.querySelector('[aria-current]');
    current?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [props.page.kind]);
  return (
    <header class="top">
      <div class="top-inner">
        <a class="brand" href="/">
          <svg width="26" height="20" viewBox="0 0 26 20" aria-hidden="true">
            <path d="M6.5 19a5.6 5.6 0 0 1-1-11.1 7.2 7.2 0 0 1 13.7-1A5.5 5.5 0 0 1 19 19z" />
          </svg>
          Moln
        </a>
        <nav aria-label="Main" ref={navigation}>
          {NAVIGATION.map(([href, text, kinds]) => (
            <a
              key={href}
              href={href}
              aria-current={kinds.includes(props.page.kind) ? 'page' : undefined}
            >
              {text}
            </a>
          ))}
        </nav>
        <p class="where">
          {props.status === undefined ? '' : props.status.cluster.name}
          <button type="button" class="help" aria-label="Keys and help" onClick={props.onHelp}>
            ?
          </button>
        </p>
      </div>
    </header>
  );
}

function PageBody(props: {
  readonly page: Page;
  readonly view: View;
  readonly onLogOut: () => void;
}): VNode {
  const { page, view } = props;
  switch (page.kind) {
    case 'overview':
      return <Overview {...view} />;
    case 'app':
      return <AppPage key={page.name} view={view} name={page.name} />;
    case 'databases':
      return <DatabasesPage />;
    case 'database':
      return <DatabasePage key={page.name} name={page.name} />;
    case 'storage':
      return <StoragePage />;
    case 'bucket':
      return <BucketPage key={page.name} name={page.name} />;
    case 'nodes':
      return <NodesPage {...view} />;
    case 'node':
      return <NodePage key={page.name} view={view} name={page.name} />;
    case 'events':
      return <EventsPage {...view} />;
    case 'routes':
      return <RoutesPage {...view} />;
    case 'route':
    case 'listener':
      return (
        <RecordPage
          key={`${page.kind} ${page.name}`}
          view={view}
          kind={page.kind}
          name={page.name}
        />
      );
    case 'gateway':
      return <GatewayPage {...view} />;
    case 'settings':
      return <SettingsPage {...view} onLogOut={props.onLogOut} />;
    case 'unknown':
      return (
        <>
          <h1>No such page</h1>
          <p>
            There is nothing at <code>{page.path}</code>. <a href="/">Go to the overview</a>
          </p>
        </>
      );
  }
}

export function AppShell(props: { readonly first: FirstData }): VNode {
  const page = usePage();
  const live = useLive();
  const { help, setHelp } = useKeyboard();
  const [left, setLeft] = useState(false);
  const polled = usePolled(
    'status',
    (signal) => api.status(signal),
    STATUS_EVERY_MS,
    props.first.status,
  );
  const status = polled.value;
  const title = titleOf(page);
  useEffect(() => {
    document.title = `${title} · Moln`;
  }, [title]);
  const logOut = async (): Promise<void> => {
    await api.logOut().catch(() => undefined);
    setLeft(true);
  };
  if (left || polled.failure?.code === LOGGED_OUT || live.connection.kind === 'logged-out') {
    return <LoggedOut />;
  }
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Header page={page} status={status} onHelp={() => setHelp(true)} />
      <Banner status={status} />
      <ConnectionNote connection={live.connection} />
      <main id="main" tabIndex={-1} class={live.connection.kind === 'lost' ? 'stale' : ''}>
        {status === undefined ? (
          <>
            <h1 class="hidden">{title}</h1>
            <p class="lead">{polled.failure?.message ?? 'Loading …'}</p>
          </>
        ) : (
          <PageBody
            page={page}
            view={{ first: props.first, status, live, refresh: polled.refresh }}
            onLogOut={() => void logOut()}
          />
        )}
      </main>
      <footer class="foot">
        Moln {status?.version ?? ''} · <kbd>?</kbd> shows the keys
      </footer>
      {help ? <KeyboardHelp onClose={() => setHelp(false)} /> : null}
    </>
  );
}
