/** Pure: the few things that a form asks about a route or a listener, in and out of what is written. The rest stays as it is. */

export type Written = Readonly<Record<string, unknown>>;

export const TARGETS = ['upstreams', 'app', 'bucket', 'redirect', 'respond'] as const;
export type Target = (typeof TARGETS)[number];

export interface RouteForm {
  /** Separated by spaces. */
  readonly hosts: string;
  readonly path: string;
  readonly target: Target;
  /** Servers separated by spaces, the app, where a redirect leads, or a status. */
  readonly leadsTo: string;
  readonly isCached: boolean;
  readonly isCompressed: boolean;
  /** A path that servers are asked for; empty: they are not. */
  readonly health: string;
}

export interface ListenerForm {
  readonly protocol: string;
  readonly port: string;
  readonly upstreams: string;
  readonly balance: string;
}

export const NEW_ROUTE: Written = { host: '', upstreams: '' };
export const NEW_LISTENER: Written = { port: '', protocol: 'tcp', upstreams: '' };

export function routeForm(written: Written): RouteForm {
  const { host, path, redirect, respond, upstreams, app, bucket, cache, compress, health } =
    written;
  const target = TARGETS.find((name) => name in written) ?? 'upstreams';
  const leadsTo: Readonly<Record<Target, string>> = {
    upstreams: urlsOf(upstreams),
    app: textOf(app),
    bucket: textOf(bucket),
    redirect: textOf(partOf(redirect, 'to')),
    respond: textOf(partOf(respond, 'status')),
  };
  return {
    hosts: (Array.isArray(host) ? host : [host]).map(textOf).join(' '),
    path: path === undefined ? '/' : textOf(path),
    target,
    leadsTo: leadsTo[target],
    isCached: cache !== undefined && cache !== false,
    isCompressed: compress !== undefined && compress !== false,
    health: textOf(partOf(health, 'path')),
  };
}

export function withRouteForm(written: Written, form: RouteForm): Written {
  const before = routeForm(written);
  const { target, leadsTo, health } = form;
  const rest = without(
    written,
    TARGETS.filter((name) => name !== target),
  );
  const isSame = before.target === target && before.leadsTo === leadsTo;
  const value = ((): unknown => {
    if (isSame) return written[target];
    if (target === 'upstreams') return serversOf(leadsTo, written[target]);
    if (target === 'app' || target === 'bucket') return leadsTo;
    const known = asMap(written[target]);
    return target === 'redirect'
      ? { ...known, to: leadsTo }
      : { ...known, status: Number(leadsTo) };
  })();
  const isAlways = form.path === '/' && !('path' in written);
  return tidy({
    host: before.hosts === form.hosts ? written['host'] : listOf(form.hosts),
    ...(isAlways ? {} : { path: form.path }),
    [target]: value,
    ...without(rest, ['host', 'path', target]),
    cache: chosen(written['cache'], before.isCached, form.isCached),
    compress: chosen(written['compress'], before.isCompressed, form.isCompressed),
    health:
      health === before.health
        ? written['health']
        : health === ''
          ? undefined
          : { ...asMap(written['health']), path: health },
  });
}

export function listenerForm(written: Written): ListenerForm {
  const { protocol, port, upstreams, balance } = written;
  return {
    protocol: protocol === undefined ? 'http' : textOf(protocol),
    port: textOf(port),
    upstreams: urlsOf(upstreams),
    balance: textOf(balance),
  };
}

export function withListenerForm(written: Written, form: ListenerForm): Written {
  const before = listenerForm(written);
  const leads = form.protocol === 'tcp' || form.protocol === 'udp';
  const upstreams =
    before.upstreams === form.upstreams
      ? written['upstreams']
      : serversOf(form.upstreams, written['upstreams']);
  return tidy({
    ...written,
    protocol: form.protocol,
    port: Number(form.port),
    upstreams: leads ? upstreams : undefined,
    balance: leads && form.balance !== '' ? form.balance : undefined,
  });
}

/** What is said in more words than `true` stays, as long as it is on. */
function chosen(value: unknown, was: boolean, is: boolean): unknown {
  if (was === is) return value;
  return is ? true : undefined;
}

function urlsOf(upstreams: unknown): string {
  return listIn(upstreams).map(urlOf).join(' ');
}

function urlOf(upstream: unknown): string {
  return textOf(typeof upstream === 'object' ? partOf(upstream, 'url') : upstream);
}

/** Those that stay are as they are written, with their weights and regions. */
function serversOf(words: string, written: unknown): unknown {
  const known = new Map(listIn(written).map((one) => [urlOf(one), one]));
  return oneOrAll(wordsOf(words).map((url) => known.get(url) ?? url));
}

function listOf(words: string): unknown {
  return oneOrAll(wordsOf(words));
}

function wordsOf(words: string): readonly string[] {
  return words.split(/[\s,]+/).filter((word) => word !== '');
}

function listIn(written: unknown): readonly unknown[] {
  return Array.isArray(written) ? written : [written];
}

/** One is written by itself. */
function oneOrAll(list: readonly unknown[]): unknown {
  return list.length === 1 ? list[0] : list;
}

function partOf(value: unknown, key: string): unknown {
  return asMap(value)[key];
}

function asMap(value: unknown): Written {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Written)
    : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function without(written: Written, keys: readonly string[]): Written {
  return Object.fromEntries(Object.entries(written).filter(([key]) => !keys.includes(key)));
}

function tidy(written: Written): Written {
  return Object.fromEntries(Object.entries(written).filter(([, value]) => value !== undefined));
}
