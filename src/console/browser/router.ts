/** Which page an address means, and moving between them without loading anew. */
import { useEffect, useState } from 'preact/hooks';

export type Page =
  | { readonly kind: 'overview' }
  | { readonly kind: 'app'; readonly name: string }
  | { readonly kind: 'nodes' }
  | { readonly kind: 'node'; readonly name: string }
  | { readonly kind: 'databases' }
  | { readonly kind: 'database'; readonly name: string }
  | { readonly kind: 'storage' }
  | { readonly kind: 'bucket'; readonly name: string }
  | { readonly kind: 'routes' }
  | { readonly kind: 'route'; readonly name: string }
  | { readonly kind: 'listener'; readonly name: string }
  | { readonly kind: 'gateway' }
  | { readonly kind: 'events' }
  | { readonly kind: 'settings' }
  | { readonly kind: 'unknown'; readonly path: string };

/** Pages of one thing, by where its kind is. */
const NAMED: Readonly<
  Record<string, 'app' | 'bucket' | 'database' | 'node' | 'route' | 'listener'>
> = {
  apps: 'app',
  databases: 'database',
  nodes: 'node',
  routes: 'route',
  listeners: 'listener',
  storage: 'bucket',
};

/** Pure: the page of a path. */
export function pageOf(path: string): Page {
  const [, part, encoded] =
    /^\/(apps|databases|nodes|routes|listeners|storage)\/([^/]+)\/?$/.exec(path) ?? [];
  if (part !== undefined && encoded !== undefined) {
    try {
      const kind = NAMED[part] ?? 'node';
      return { kind, name: decodeURIComponent(encoded) };
    } catch {
      return { kind: 'unknown', path };
    }
  }
  if (path === '/' || path === '/apps' || path === '/apps/') return { kind: 'overview' };
  if (path === '/nodes' || path === '/nodes/') return { kind: 'nodes' };
  if (path === '/databases' || path === '/databases/') return { kind: 'databases' };
  if (path === '/storage' || path === '/storage/') return { kind: 'storage' };
  if (path === '/events') return { kind: 'events' };
  if (path === '/routes' || path === '/routes/') return { kind: 'routes' };
  if (path === '/gateway') return { kind: 'gateway' };
  if (path === '/settings') return { kind: 'settings' };
  return { kind: 'unknown', path };
}

export function appPath(name: string): string {
  return `/apps/${encodeURIComponent(name)}`;
}

export function databasePath(name: string): string {
  return `/databases/${encodeURIComponent(name)}`;
}

export function bucketPath(name: string): string {
  return `/storage/${encodeURIComponent(name)}`;
}

export function nodePath(name: string): string {
  return `/nodes/${encodeURIComponent(name)}`;
}

export function recordPath(kind: 'route' | 'listener', name: string): string {
  return `/${kind}s/${encodeURIComponent(name)}`;
}

export function titleOf(page: Page): string {
  switch (page.kind) {
    case 'overview':
      return 'Overview';
    case 'app':
    case 'bucket':
    case 'database':
    case 'node':
    case 'route':
    case 'listener':
      return page.name;
    case 'databases':
      return 'Databases';
    case 'storage':
      return 'Storage';
    case 'routes':
      return 'Routes';
    case 'nodes':
      return 'Nodes';
    case 'gateway':
      return 'Gateway';
    case 'events':
      return 'Events';
    case 'settings':
      return 'Settings';
    case 'unknown':
      return 'Not found';
  }
}

const NAVIGATED = 'moln:navigated';

/** Goes to a path of the console; with a hash, its element gets the focus. */
export function navigate(path: string): void {
  if (path !== location.pathname + location.hash) history.pushState(null, '', path);
  dispatchEvent(new Event(NAVIGATED));
}

/** Plain clicks on links within the console stay within the page. */
function onLinkClick(event: MouseEvent): void {
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  const link = (event.target as Element).closest('a');
  const href = link?.getAttribute('href');
  if (!plain || event.defaultPrevented || href === undefined || href === null) return;
  if (!href.startsWith('/') || href.startsWith('/api/')) return;
  if (link?.hasAttribute('target') === true || link?.hasAttribute('download') === true) return;
  event.preventDefault();
  navigate(href);
}

/** After the new page is drawn: focus where a reader would begin. */
function focusTarget(): void {
  const id = location.hash.slice(1);
  const target = (id === '' ? null : document.getElementById(id)) ?? document.querySelector('h1');
  if (target === null) return;
  if (!target.hasAttribute('tabindex')) target.setAttribute('tabindex', '-1');
  if (id === '') scrollTo(0, 0);
  target.focus({ preventScroll: id === '' });
}

/** The page of the current address; follows links, back and forward. */
export function usePage(): Page {
  const [path, setPath] = useState(location.pathname);
  useEffect(() => {
    const update = (): void => {
      setPath(location.pathname);
      requestAnimationFrame(() => requestAnimationFrame(focusTarget));
    };
    addEventListener('popstate', update);
    addEventListener(NAVIGATED, update);
    document.addEventListener('click', onLinkClick);
    return () => {
      removeEventListener('popstate', update);
      removeEventListener(NAVIGATED, update);
      document.removeEventListener('click', onLinkClick);
    };
  }, []);
  return pageOf(path);
}
