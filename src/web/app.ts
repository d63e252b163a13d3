/**
 * An app: a request in, an answer out. Finds the route, knows the visitor, keeps forged forms out, runs the action, and turns what it
 * gives, or throws, into an answer. Knows nothing of sockets, so tests ask it without one.
 */
import { MolnError } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { Assets, useAssets } from './assets.ts';
import { UPLOAD_BYTES_MAX } from './body.ts';
import { forgetCached } from './cache.ts';
import { useModels } from './cascade.ts';
import { Context, type Result, runInContext } from './context.ts';
import { failedPart, failureAnswer, failureOf } from './failures.ts';
import { IMAGES_PATH, shownImage } from './images.ts';
import { Islands, useIslands } from './islands.ts';
import type { Job } from './jobs.ts';
import { FILES_PATH, shownFile, useFileSecret } from './files.ts';
import { isElement } from './jsx-runtime.ts';
import { LIVE_PATH, LIVE_SCRIPT, LIVE_SCRIPT_PATH, LiveHub } from './live.ts';
import type { Migration } from './migrate.ts';
import type { Model } from './model.ts';
import { type Asked, askedOf } from './node-request.ts';
import { makeOwnTables, sharedSecret } from './own-tables.ts';
import { type Policy, usePolicies } from './policy.ts';
import { type Controller, type Found, type Route, routesOf, RouteTable } from './routes.ts';
import { readCookie, Session, SESSION_COOKIE } from './session.ts';
import { CLOSE, type Socket, type SocketHandlers, type SocketPeer } from './sockets.ts';
import { type Database, useDatabase } from './sql.ts';
import { JSON_TYPE, plainOf, withHead } from './text-answer.ts';

/** What the files of an app's folder make up. */
export interface AppParts {
  /** By the names of their files below `app/controllers`. */
  readonly controllers: Readonly<Record<string, Controller>>;
  readonly models: readonly Model[];
  readonly migrations: readonly Migration[];
  readonly policies: readonly Policy[];
  readonly jobs: readonly Job[];
  readonly publicFolder: string;
  /** By `file#export`. */
  readonly islands: ReadonlyMap<unknown, string>;
  /** What makes islands go on in the browser. */
  readonly islandScript: string;
}

export interface AppOptions {
  readonly database: Database;
  readonly log: Logger;
  readonly isDev?: boolean;
  /** Where visitors reach it, `https://blog.example`; else as each request says. */
  readonly origin?: string | undefined;
  /** Instead of the visitor's page, when an action throws. */
  readonly showError?: (error: unknown, context: Context) => Promise<Response>;
}

/** What begins so is the framework's own. */
const OWN_PATHS = '/_moln/';
/** Answers "yes" to whoever asks whether this instance can be given requests. */
const HEALTH_PATH = '/up';
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const OVERRIDES: ReadonlySet<string> = new Set(['PUT', 'PATCH', 'DELETE']);
/** Browsers send these from any page without asking. */
const FORM_TYPE = /^(?:application\/x-www-form-urlencoded|multipart\/form-data|text\/plain|$)/i;
/** What a browser shows as a page is kept to what the app has; what others read is only never taken for one. */
const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; " +
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'cross-origin-opener-policy': 'same-origin',
};
/** Who shows no cookie and got no session. */
const OF_NOBODY = { cookie: undefined, cacheControl: 'no-cache' } as const;
const PAGE_HEAD: readonly string[] = Object.entries(PAGE_HEADERS).flat();
const DATA_HEAD: readonly string[] = ['x-content-type-options', 'nosniff'];

export class App implements Disposable {
  readonly routes: readonly Route[];
  readonly #table: RouteTable;
  readonly #assets: Assets;
  readonly #islands: Islands;
  readonly #options: AppOptions;
  readonly #live: LiveHub;
  readonly #sockets = new Set<Socket>();
  #secret = '';

  private constructor(parts: AppParts, options: AppOptions) {
    this.#options = options;
    this.routes = routesOf(parts.controllers);
    this.#table = new RouteTable(this.routes);
    this.#assets = new Assets(parts.publicFolder);
    this.#islands = new Islands(parts.islands, parts.islandScript);
    this.#live = new LiveHub(options.database, options.log);
  }

  /** Makes the app of this process. Its database must have its migrations. */
  static async start(parts: AppParts, options: AppOptions): Promise<App> {
    const app = new App(parts, options);
    useDatabase(options.database);
    useModels(parts.models);
    usePolicies(parts.policies);
    forgetCached();
    useAssets(app.#assets);
    useIslands(app.#islands);
    await makeOwnTables(options.database);
    app.#secret = await sharedSecret(options.database);
    useFileSecret(app.#secret);
    return app;
  }

  /** Pages that listen and WebSockets are let go; the database stays open. */
  [Symbol.dispose](): void {
    this.#live[Symbol.dispose]();
    for (const socket of this.#sockets) socket.close(CLOSE.goingAway, 'Connect again');
  }

  /** Never rejects; what an action gives at once is answered at once. `address`: whoever is connected, when no gateway says better. */
  fetch(request: Request, address = ''): Response | Promise<Response> {
    const asked = askedOf(request);
    const asset = this.#assets.answer(asked) ?? this.#islands.answer(asked);
    if (asset !== undefined) return asset;
    if (asked.pathname === HEALTH_PATH) return new Response('ok\n');
    const startedMs = systemClock.monotonicMs();
    const context = this.#context(request, asked, { id: randomId(), address });
    const given = runInContext(context, () => this.#respond(context));
    return given instanceof Promise
      ? given.then((answer) => this.#answered(answer, context, startedMs))
      : this.#answered(given, context, startedMs);
  }

  #answered(given: Response, context: Context, startedMs: number): Response | Promise<Response> {
    const ended = this.#end(context);
    return ended === undefined
      ? this.#told(given, context, startedMs)
      : ended.then(() => this.#told(given, context, startedMs));
  }

  /** With its whole head, and in the log. */
  #told(given: Response, context: Context, startedMs: number): Response | Promise<Response> {
    const { asked, id } = context;
    const response = this.#finish(given, context);
    const ms = Math.round((systemClock.monotonicMs() - startedMs) * 10) / 10;
    const { status } = plainOf(response) ?? response;
    this.#options.log.info(`${asked.method} ${asked.pathname} ${status}`, { ms, id });
    return asked.method === 'HEAD' ? this.#headOnly(response, context) : response;
  }

  /** What would be its body is let go: a file of the store, an open one of the disk. */
  async #headOnly(response: Response, context: Context): Promise<Response> {
    await response.body?.cancel().catch((error: unknown) => this.#noteFailure(error, context));
    return new Response(null, response);
  }

  /** What a request has made goes when nothing needs it any more, which is later than its answer when parts of a page come later. */
  #end(context: Context): Promise<void> | undefined {
    const { laterParts } = context;
    if (laterParts === undefined) return context.end();
    laterParts
      .then(() => context.end())
      .catch((error: unknown) => this.#noteFailure(error, context));
    return undefined;
  }

  /** A visitor who asks for a WebSocket: what an action `'WS /…'` gives, or why not. Never rejects. */
  async connect(request: Request, address = ''): Promise<SocketPeer | Response> {
    const asked = askedOf(request);
    const { pathname } = asked;
    const context = this.#context(request, asked, { id: randomId(), address });
    return await runInContext(context, async () => {
      try {
        // Browsers let any page connect, with the visitor's cookies: they say from where.
        refuseForeign(asked);
        const found = this.#table.find('WS', pathname);
        if (found === undefined)
          throw new MolnError('WEB_NOT_FOUND', `There is no WebSocket ${pathname}`);
        Object.assign(context.params, found.params);
        const given = await this.#before(found.route, context);
        if (given !== undefined) return given;
        const handlers = await found.route.action(context);
        if (handlers instanceof Response) return handlers;
        if (typeof handlers !== 'object' || handlers === null)
          throw new MolnError('WEB_NOT_FOUND', `There is nothing at ${pathname}`);
        this.#options.log.info(`WS ${pathname}`, { id: context.id });
        return this.#peer(handlers, context);
      } catch (error) {
        return await this.#fail(error, context);
      }
    });
  }

  /** What the action gave, as what never throws: an error is logged, and ends the connection. */
  #peer(handlers: SocketHandlers, context: Context): SocketPeer {
    let own: Socket | undefined;
    const guarded = async (work: () => void | Promise<void>): Promise<void> => {
      const turn = (context.turn = {});
      try {
        await runInContext(context, work);
      } catch (error) {
        this.#noteFailure(error, context);
        own?.close(CLOSE.failed, 'Something went wrong');
      } finally {
        if (context.turn === turn) context.turn = undefined;
      }
    };
    return {
      open: async (socket) => {
        own = socket;
        this.#sockets.add(socket);
        await guarded(() => handlers.open?.(socket));
      },
      message: async (message) =>
        await guarded(() => (own === undefined ? undefined : handlers.message?.(message, own))),
      close: async () => {
        if (own !== undefined) this.#sockets.delete(own);
        await guarded(() => handlers.close?.());
      },
    };
  }

  #context(
    request: Request,
    asked: Asked,
    { id, address }: { readonly id: string; readonly address: string },
  ): Context {
    const forwarded = asked.header('x-forwarded-for')?.split(',')[0]?.trim();
    return new Context({
      request,
      asked,
      id,
      session: () => {
        const cookie = readCookie(asked.header('cookie'), SESSION_COOKIE);
        return Session.read(cookie, this.#secret, systemClock.now());
      },
      isDev: this.#options.isDev === true,
      origin: this.#options.origin,
      params: {},
      address: forwarded ?? address,
      failedPart: (error) => this.#failedPart(error, { asked, id }),
    });
  }

  #respond(context: Context): Response | Promise<Response> {
    try {
      const answer = this.#act(context);
      return answer instanceof Promise
        ? answer.catch((error: unknown) => this.#fail(error, context))
        : answer;
    } catch (error) {
      return this.#fail(error, context);
    }
  }

  #act(context: Context): Response | Promise<Response> {
    const own = this.#own(context);
    if (own !== undefined) return own;
    const { method, pathname } = context.asked;
    if (SAFE.has(method)) return this.#run(this.#found(method, pathname), context);
    return this.#foundForChange(context).then((found) => this.#run(found, context));
  }

  #run({ route, params }: Found, context: Context): Response | Promise<Response> {
    for (const name in params) context.params[name] = params[name] ?? '';
    const isBare = route.before.length === 0 && route.after.length === 0;
    return isBare ? acted(route, context) : this.#runAmong(route, context);
  }

  async #runAmong(route: Route, context: Context): Promise<Response> {
    const early = await this.#before(route, context);
    if (early !== undefined) return early;
    let answer = await acted(route, context);
    for (const after of route.after) answer = (await after(context, answer)) ?? answer;
    return answer;
  }

  /** What the framework itself answers. */
  #own(context: Context): Response | Promise<Response> | undefined {
    const { asked } = context;
    const { method, pathname } = asked;
    if (!pathname.startsWith(OWN_PATHS)) return undefined;
    if (method !== 'GET' && method !== 'HEAD') return undefined;
    if (pathname.startsWith(FILES_PATH)) return shownFile(context.request, asked.url);
    if (pathname.startsWith(IMAGES_PATH)) return shownImage(asked.url);
    if (method !== 'GET') return undefined;
    if (pathname === LIVE_PATH) return this.#live.stream(context.request);
    if (pathname !== LIVE_SCRIPT_PATH) return undefined;
    return new Response(LIVE_SCRIPT, {
      headers: { 'content-type': 'text/javascript; charset=utf-8' },
    });
  }

  /** The route of a request that may change something: not from another site, and a form's `_method` counts as the method. */
  async #foundForChange(context: Context): Promise<Found> {
    const { pathname } = context.asked;
    refuseForeign(context.asked);
    context.uploadBytesMax = this.#table.uploadBytesMax(bare(pathname)) ?? UPLOAD_BYTES_MAX;
    return this.#found(await methodOf(context), pathname);
  }

  #found(method: string, pathname: string): Found {
    const path = bare(pathname);
    const found = this.#table.find(method === 'HEAD' ? 'GET' : method, path);
    if (found !== undefined) return found;
    const allowed = this.#table.allowed(path);
    if (allowed.length === 0) throw new MolnError('WEB_NOT_FOUND', `There is no page ${pathname}`);
    throw new MolnError(
      'WEB_METHOD',
      `${method} is not possible on ${pathname}, only ${allowed.join(', ')}`,
      { details: { allowed } },
    );
  }

  /** The answer that keeps the action from running, if there is one. */
  async #before(route: Route, context: Context): Promise<Response | undefined> {
    for (const before of route.before) {
      const answer = await before(context);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  async #fail(error: unknown, context: Context): Promise<Response> {
    const failure = failureOf(error, context.id);
    if (failure.status === 500) {
      this.#noteFailure(error, context);
      if (this.#options.showError !== undefined && !context.wantsJson)
        return await this.#options.showError(error, context);
    }
    return failureAnswer(failure, error, context.wantsJson);
  }

  /** What a visitor sees instead of a part of a page; the rest of it is sent all the same. */
  #failedPart(error: unknown, context: Pick<Context, 'asked' | 'id'>): string {
    const failure = failureOf(error, context.id);
    if (failure.status === 500) this.#noteFailure(error, context);
    const isShown = this.#options.isDev === true && failure.status === 500;
    return failedPart(failure, isShown ? stackOf(error) : '');
  }

  /** For `serve`: an answer could not be written, or its body failed on its way. */
  cut(request: Request, error: unknown): void {
    this.#noteFailure(error, { asked: askedOf(request), id: '' });
  }

  #noteFailure(error: unknown, { asked, id }: Pick<Context, 'asked' | 'id'>): void {
    this.#options.log.error(`${asked.method} ${asked.pathname} failed`, {
      id,
      error: stackOf(error),
    });
  }

  /** What is in the head because of who asks. */
  #ofSession(context: Context): {
    readonly cookie?: string | undefined;
    readonly cacheControl: string;
  } {
    const { session } = context;
    return {
      cookie: session.cookie(this.#secret, systemClock.now(), () => context.isSecure),
      cacheControl: session.isPersonal ? 'private, no-cache' : 'no-cache',
    };
  }

  #finish(given: Response, context: Context): Response {
    const plain = plainOf(given);
    const isKnown = context.hasSession || context.asked.header('cookie') !== null;
    const { cookie, cacheControl } = isKnown ? this.#ofSession(context) : OF_NOBODY;
    if (context.laterParts !== undefined) context.session.seal();
    if (plain !== undefined) {
      const own = plain.head[1] === JSON_TYPE ? DATA_HEAD : PAGE_HEAD;
      const more = [...own, 'cache-control', cacheControl, 'vary', context.varies];
      more.push('x-request-id', context.id);
      if (cookie !== undefined) more.push('set-cookie', cookie);
      return withHead(plain, more);
    }
    // What the global `fetch` gave has headers that cannot be changed.
    const response = new Response(given.body, given);
    const { headers } = response;
    if (cookie !== undefined) headers.append('set-cookie', cookie);
    for (const [name, value] of Object.entries(PAGE_HEADERS))
      if (!headers.has(name)) headers.set(name, value);
    if (!headers.has('cache-control')) headers.set('cache-control', cacheControl);
    headers.append('vary', context.varies);
    headers.set('x-request-id', context.id);
    return response;
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The path of what is asked for in whichever form: `/posts.json` is that of `/posts`. */
function bare(pathname: string): string {
  return pathname.endsWith('.json') ? pathname.slice(0, -5) : pathname;
}

/** A page elsewhere must not act in a visitor's name: browsers say where a request comes from. */
function refuseForeign(asked: Asked): void {
  const site = asked.header('sec-fetch-site');
  const origin = asked.header('origin');
  const host = asked.header('x-forwarded-host') ?? asked.header('host') ?? asked.url.host;
  const isForeign =
    (site !== null && site !== 'same-origin' && site !== 'none') ||
    (origin !== null && (!URL.canParse(origin) || new URL(origin).host !== host));
  if (isForeign) throw new MolnError('WEB_FORGED', 'This was sent by a page of another site');
}

/** The method that is meant. Forms must show the token of the visitor's session, and may name a method that browsers do not have. */
async function methodOf(context: Context): Promise<string> {
  const { asked } = context;
  const isForm = FORM_TYPE.test(asked.header('content-type') ?? '');
  const isShown = asked.header('x-csrf-token') !== null;
  const fields = isForm && !isShown ? await context.form() : {};
  if (isForm) context.refuseForged(fields['_csrf']);
  const named = fields['_method'];
  const override = typeof named === 'string' ? named.toUpperCase() : '';
  return asked.method === 'POST' && OVERRIDES.has(override) ? override : asked.method;
}

function acted({ action }: Route, context: Context): Response | Promise<Response> {
  const result = action(context);
  return result instanceof Promise
    ? result.then((one) => toResponse(one, context))
    : toResponse(result, context);
}

function toResponse(result: Result, context: Context): Response | Promise<Response> {
  if (result instanceof Response) return result;
  if (result === undefined || result === null) {
    throw new MolnError('WEB_NOT_FOUND', `There is nothing at ${context.url.pathname}`);
  }
  if (isElement(result)) return context.html(result);
  return typeof result === 'string' ? new Response(result) : context.json(result);
}
