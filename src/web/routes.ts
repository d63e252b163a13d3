/**
 * Controllers by the names of their files, as routes. Pure: a table that `moln routes` prints and the app asks. Two routes that
 * would answer the same request are a mistake that is told when the app starts.
 */
import { MolnError } from '../base/errors.ts';
import { nearestName } from '../base/suggest.ts';
import type { Action, After, Before } from './context.ts';
import type { SocketAction } from './sockets.ts';

/** `WS`: asked for with GET and an upgrade (RFC 6455). */
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'WS'] as const;
export type Method = (typeof METHODS)[number];

/** The actions that have routes by their names. */
export interface Actions {
  readonly index?: Action;
  readonly show?: Action;
  readonly new?: Action;
  readonly create?: Action;
  readonly edit?: Action;
  readonly update?: Action;
  readonly destroy?: Action;
}

/**
 * What a file of `app/controllers/` exports. Further actions are named by method and path below the controller's:
 * `'POST /:id/publish': publish`.
 */
export interface Controller extends Actions {
  /** Instead of the one that follows from the file's name. */
  readonly path?: string;
  /** There is one of it, as with a session: its paths have no `:id`. */
  readonly singular?: boolean;
  readonly before?: readonly Before[];
  readonly after?: readonly After[];
  /** What a form with files may have, for all of its paths; default 32 MiB. */
  readonly uploadBytesMax?: number;
  readonly [route: `${Exclude<Method, 'WS'>} /${string}`]: Action;
  readonly [socket: `WS /${string}`]: SocketAction;
}

export interface Route {
  readonly method: Method;
  /** `/posts/:id`. */
  readonly pattern: string;
  /** `posts#show`. */
  readonly name: string;
  readonly action: Action;
  readonly before: readonly Before[];
  readonly after: readonly After[];
  readonly uploadBytesMax: number | undefined;
}

export interface Found {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

const OPTIONS: ReadonlySet<string> = new Set([
  'path',
  'singular',
  'before',
  'after',
  'uploadBytesMax',
]);
const REST: readonly (readonly [
  name: keyof Actions,
  methods: readonly Method[],
  many: string,
  one: string,
])[] = [
  ['index', ['GET'], '', ''],
  ['new', ['GET'], '/new', '/new'],
  ['create', ['POST'], '', ''],
  ['show', ['GET'], '/:id', ''],
  ['edit', ['GET'], '/:id/edit', '/edit'],
  ['update', ['PATCH', 'PUT'], '/:id', ''],
  ['destroy', ['DELETE'], '/:id', ''],
];

/** Gives its type to a controller: `export const posts = controller({ index() {…} })`. */
export function controller(definition: Controller): Controller {
  return definition;
}

/** `controllers` by the names of their files, such as `posts` and `posts/comments`. Throws `WEB_ROUTE_CLASH`, `WEB_UNKNOWN_ACTION`. */
export function routesOf(controllers: Readonly<Record<string, Controller>>): readonly Route[] {
  const names = new Set(Object.keys(controllers));
  const routes = Object.entries(controllers).flatMap(([name, one]) =>
    controllerRoutes(name, one, one.path ?? basePath(name, names, controllers)),
  );
  const seen = new Map<string, Route>();
  for (const route of routes) {
    const shape = `${route.method} ${route.pattern.replace(/:[^/]+/g, ':')}`;
    const other = seen.get(shape);
    if (other !== undefined) {
      throw new MolnError(
        'WEB_ROUTE_CLASH',
        `${placeOf(route)} and ${placeOf(other)} both answer ${route.method} ${route.pattern}`,
        {
          hint: 'Give one of them another path',
        },
      );
    }
    seen.set(shape, route);
  }
  return routes;
}

function placeOf({ name }: Route): string {
  const [file, action] = name.split('#');
  return `"${action}" of app/controllers/${file}`;
}

/** `posts/comments` lies below `posts`: `/posts/:post_id/comments`. */
function basePath(
  name: string,
  names: ReadonlySet<string>,
  controllers: Readonly<Record<string, Controller>>,
): string {
  if (name === 'home') return '';
  const parts = name.split('/');
  return parts.reduce((path, part, at) => {
    const above = parts.slice(0, at).join('/');
    const isNested = at > 0 && names.has(above) && controllers[above]?.singular !== true;
    return `${path}${isNested ? `/:${singular(parts[at - 1] ?? '')}_id` : ''}/${part.replaceAll('_', '-')}`;
  }, '');
}

function controllerRoutes(name: string, one: Controller, base: string): readonly Route[] {
  const path = base === '/' ? '' : base;
  const { before = [], after = [] } = one;
  const routes: Route[] = [];
  for (const [key, action] of Object.entries(one)) {
    if (OPTIONS.has(key)) continue;
    const rest = REST.find(([word]) => word === key);
    const own = /^([A-Z]+) (\/.*)$/.exec(key);
    const methods = rest?.[1] ?? METHODS.filter((method) => method === own?.[1]);
    if (methods.length === 0 || typeof action !== 'function') throw unknownAction(name, key);
    const tail = rest === undefined ? (own?.[2] ?? '') : one.singular === true ? rest[3] : rest[2];
    const pattern = `${path}${tail === '/' ? '' : tail}` || '/';
    const label = `${name}#${key}`;
    for (const method of methods)
      routes.push({
        method,
        pattern,
        name: label,
        action: action as Action,
        before,
        after,
        uploadBytesMax: one.uploadBytesMax,
      });
  }
  return routes;
}

function unknownAction(name: string, key: string): MolnError {
  const near = nearestName(
    key,
    REST.map(([word]) => word),
  );
  return new MolnError('WEB_UNKNOWN_ACTION', `"${key}" in app/controllers/${name} is no action`, {
    hint:
      near === undefined
        ? `Write it as 'GET /${key}'`
        : `Did you mean "${near}"? Else write it as 'GET /${key}'`,
  });
}

/** Asks the table; paths that are spelled out win over those with parameters. */
export class RouteTable {
  /** Those without parameters, by method and path. */
  readonly #spelledOut = new Map<string, Found>();
  readonly #bySize = new Map<
    number,
    { readonly route: Route; readonly parts: readonly string[] }[]
  >();

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const parts = partsOf(route.pattern);
      if (!parts.some((part) => part.startsWith(':')))
        this.#spelledOut.set(`${route.method} ${route.pattern}`, { route, params: {} });
      this.#bySize.set(parts.length, [...(this.#bySize.get(parts.length) ?? []), { route, parts }]);
    }
    for (const list of this.#bySize.values())
      list.sort((a, b) => (shapeOf(a.parts) < shapeOf(b.parts) ? -1 : 1));
  }

  find(method: string, path: string): Found | undefined {
    const known = this.#spelledOut.get(`${method} ${path}`);
    if (known !== undefined) return known;
    for (const { route, params } of this.#matching(path)) {
      if (route.method === method) return { route, params };
    }
    return undefined;
  }

  /** The largest of those that answer at this path. */
  uploadBytesMax(path: string): number | undefined {
    const sizes = this.#matching(path).flatMap(({ route }) => route.uploadBytesMax ?? []);
    return sizes.length === 0 ? undefined : Math.max(...sizes);
  }

  /** Methods that this path has. */
  allowed(path: string): readonly string[] {
    return [...new Set(this.#matching(path).map(({ route }) => route.method))];
  }

  #matching(path: string): readonly Found[] {
    const given = partsOf(path);
    return (this.#bySize.get(given.length) ?? []).flatMap(({ route, parts }) => {
      const params: Record<string, string> = {};
      const fits = parts.every((part, at) => {
        const word = given[at] ?? '';
        if (!part.startsWith(':')) return part === word;
        const value = decoded(word);
        if (value === undefined || value === '') return false;
        params[part.slice(1)] = value;
        return true;
      });
      return fits ? [{ route, params }] : [];
    });
  }
}

function partsOf(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '');
}

/** Sorts parameters behind words, from the left. */
function shapeOf(parts: readonly string[]): string {
  return parts.map((part) => (part.startsWith(':') ? '1' : '0')).join('');
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** `post` of `posts`, as good as it needs to be for a parameter's name. */
export function singular(name: string): string {
  if (name.endsWith('ies')) return `${name.slice(0, -3)}y`;
  if (/(?:ses|xes|zes|ches|shes)$/.test(name)) return name.slice(0, -2);
  return name.endsWith('s') && !name.endsWith('ss') ? name.slice(0, -1) : name;
}
