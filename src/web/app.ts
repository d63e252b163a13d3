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
import { Context, type Result, runInContext } from './context.ts';
import { failureAnswer, failureOf } from './failures.ts';
import { IMAGES_PATH, shownImage } from './images.ts';
import { Islands, useIslands } from './islands.ts';
import type { Job } from './jobs.ts';
import { FILES_PATH, shownFile, useFileSecret } from './files.ts';
import { isElement } from './jsx-runtime.ts';
import { LIVE_PATH, LIVE_SCRIPT, LIVE_SCRIPT_PATH, LiveHub } from './live.ts';
import type { Migration } from './migrate.ts';
import type { Model } from './model.ts';
import { makeOwnTables, sharedSecret } from './own-tables.ts';
import { type Controller, type Found, type Route, routesOf, RouteTable } from './routes.ts';
import { readCookie, Session, SESSION_COOKIE } from './session.ts';
import { CLOSE, type Socket, type SocketHandlers, type SocketPeer } from './sockets.ts';
import { type Database, useDatabase } from './sql.ts';

/** What the files of an app's folder make up. */
export interface AppParts {
  /** By the names of their files below `app/controllers`. */
  readonly controllers: Readonly<Record<string, Controller>>;
  readonly models: readonly Model[];
  readonly migrations: readonly Migration[];
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

/** Answers "yes" to whoever asks whether this instance can be given requests. */
const HEALTH_PATH = '/up';
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const OVERRIDES: ReadonlySet<string> = new Set(['PUT', 'PATCH', 'DELETE']);
/** Browsers send these from any page without asking. */
const FORM_TYPE = /^(?:application\/x-www-form-urlencoded|multipart\/form-data|text\/plain|$)/i;
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; " +
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'cross-origin-opener-policy': 'same-origin',
};

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

  /** Never rejects. `address`: whoever is connected, when no gateway says better. */
  async fetch(request: Request, address = ''): Promise<Response> {
    const url = new URL(request.url);
    const asset = this.#assets.answer(request, url) ?? this.#islands.answer(request, url);
    if (asset !== undefined) return asset;
    if (url.pathname === HEALTH_PATH) return new Response('ok\n');
    const startedMs = systemClock.monotonicMs();
    const id = randomId();
    const isHead = request.method === 'HEAD';
    const response = await this.#answer(request, url, id, address);
    const ms = Math.round((systemClock.monotonicMs() - startedMs) * 10) / 10;
    this.#options.log.info(`${request.method} ${url.pathname} ${response.status}`, { ms, id });
    if (!isHead) return response;
    // What would be its body is let go: a file of the store, an open one of the disk.
    await response.body
      ?.cancel()
      .catch((error: unknown) => this.#noteFailure(error, { request, url, id }));
    return new Response(null, response);
  }

  /** A visitor who asks for a WebSocket: what an action `'WS /…'` gives, or why not. Never rejects. */
  async connect(request: Request, address = ''): Promise<SocketPeer | Response> {
    const url = new URL(request.url);
    const context = this.#context(request, url, { id: randomId(), address });
    return await runInContext(context, async () => {
      try {
        // Browsers let any page connect, with the visitor's cookies: they say from where.
        refuseForeign(request);
        const found = this.#table.find('WS', url.pathname);
        if (found === undefined)
          throw new MolnError('WEB_NOT_FOUND', `There is no WebSocket ${url.pathname}`);
        Object.assign(context.params, found.params);
        const given = await this.#before(found.route, context);
        if (given !== undefined) return given;
        const handlers = await found.route.action(context);
        if (handlers instanceof Response) return handlers;
        if (typeof handlers !== 'object' || handlers === null)
          throw new MolnError('WEB_NOT_FOUND', `There is nothing at ${url.pathname}`);
        this.#options.log.info(`WS ${url.pathname}`, { id: context.id });
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
      try {
        await runInContext(context, work);
      } catch (error) {
        this.#noteFailure(error, context);
        own?.close(CLOSE.failed, 'Something went wrong');
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
    url: URL,
    { id, address }: { readonly id: string; readonly address: string },
  ): Context {
    const cookie = readCookie(request.headers.get('cookie'), SESSION_COOKIE);
    const forwarded = request.headers.get('x-forwarded-for')?.split(',')[0]?.trim();
    return new Context({
      request,
      url,
      id,
      session: Session.read(cookie, this.#secret, systemClock.now()),
      isDev: this.#options.isDev === true,
      origin: this.#options.origin,
      params: {},
      address: forwarded ?? address,
    });
  }

  async #answer(request: Request, url: URL, id: string, address: string): Promise<Response> {
    await using context = this.#context(request, url, { id, address });
    const response = await runInContext(context, async () => {
      try {
        const own = await this.#own(context);
        if (own !== undefined) return own;
        const found = await this.#route(context);
        Object.assign(context.params, found.params);
        return await this.#act(found.route, context);
      } catch (error) {
        return await this.#fail(error, context);
      }
    });
    return this.#finish(response, context);
  }

  /** What the framework itself answers. */
  #own({ request, url }: Context): Response | Promise<Response> | undefined {
    if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
    if (url.pathname.startsWith(FILES_PATH)) return shownFile(request, url);
    if (url.pathname.startsWith(IMAGES_PATH)) return shownImage(url);
    if (request.method !== 'GET') return undefined;
    if (url.pathname === LIVE_PATH) return this.#live.stream(request);
    if (url.pathname !== LIVE_SCRIPT_PATH) return undefined;
    return new Response(LIVE_SCRIPT, {
      headers: { 'content-type': 'text/javascript; charset=utf-8' },
    });
  }

  /** Finds what a request asks for; a form's `_method` counts as the method. */
  async #route(context: Context): Promise<Found> {
    const { request, url } = context;
    const path = url.pathname.replace(/\.json$/, '');
    if (!SAFE.has(request.method)) refuseForeign(request);
    context.uploadBytesMax = this.#table.uploadBytesMax(path) ?? UPLOAD_BYTES_MAX;
    const method = await methodOf(context);
    const found = this.#table.find(method === 'HEAD' ? 'GET' : method, path);
    if (found !== undefined) return found;
    const allowed = this.#table.allowed(path);
    if (allowed.length === 0)
      throw new MolnError('WEB_NOT_FOUND', `There is no page ${url.pathname}`);
    throw new MolnError(
      'WEB_METHOD',
      `${method} is not possible on ${url.pathname}, only ${allowed.join(', ')}`,
      {
        details: { allowed },
      },
    );
  }

  async #act(route: Route, context: Context): Promise<Response> {
    return (
      (await this.#before(route, context)) ??
      (await toResponse(await route.action(context), context))
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
    if (failure.status >= 500) {
      this.#noteFailure(error, context);
      if (this.#options.showError !== undefined && !context.wantsJson)
        return await this.#options.showError(error, context);
    }
    return failureAnswer(failure, error, context.wantsJson);
  }

  #noteFailure(
    error: unknown,
    { request, url, id }: Pick<Context, 'id' | 'request' | 'url'>,
  ): void {
    this.#options.log.error(`${request.method} ${url.pathname} failed`, {
      id,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  #finish(given: Response, context: Context): Response {
    const { session } = context;
    // What `fetch` gave has headers that cannot be changed.
    const response = new Response(given.body, given);
    const cookie = session.cookie(this.#secret, systemClock.now(), context.isSecure);
    if (cookie !== undefined) response.headers.append('set-cookie', cookie);
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!response.headers.has(name)) response.headers.set(name, value);
    }
    if (!response.headers.has('cache-control')) {
      response.headers.set('cache-control', session.isPersonal ? 'private, no-cache' : 'no-cache');
    }
    response.headers.append('vary', [...context.vary].join(', '));
    response.headers.set('x-request-id', context.id);
    return response;
  }
}

/** A page elsewhere must not act in a visitor's name: browsers say where a request comes from. */
function refuseForeign(request: Request): void {
  const site = request.headers.get('sec-fetch-site');
  const origin = request.headers.get('origin');
  const host =
    request.headers.get('x-forwarded-host') ??
    request.headers.get('host') ??
    new URL(request.url).host;
  const isForeign =
    (site !== null && site !== 'same-origin' && site !== 'none') ||
    (origin !== null && (!URL.canParse(origin) || new URL(origin).host !== host));
  if (isForeign) throw new MolnError('WEB_FORGED', 'This was sent by a page of another site');
}

/** The method that is meant. Forms must show the token of the visitor's session, and may name a method that browsers do not have. */
async function methodOf(context: Context): Promise<string> {
  const { request } = context;
  if (SAFE.has(request.method)) return request.method;
  const isForm = FORM_TYPE.test(request.headers.get('content-type') ?? '');
  const isShown = request.headers.has('x-csrf-token');
  const fields = isForm && !isShown ? await context.form() : {};
  if (isForm) context.refuseForged(fields['_csrf']);
  const named = fields['_method'];
  const override = typeof named === 'string' ? named.toUpperCase() : '';
  return request.method === 'POST' && OVERRIDES.has(override) ? override : request.method;
}

async function toResponse(result: Result, context: Context): Promise<Response> {
  if (result instanceof Response) return result;
  if (result === undefined || result === null) {
    throw new MolnError('WEB_NOT_FOUND', `There is nothing at ${context.url.pathname}`);
  }
  if (isElement(result)) return await context.html(result);
  return typeof result === 'string' ? new Response(result) : context.json(result);
}
