/** Everything outside `/api`: the console's pages and files, login and logout. */
import { isMolnError, type MolnError } from '../base/errors.ts';
import { originFacts, requireScope, type Access } from './access.ts';
import type { Caller, Cloud } from './cloud.ts';
import type { ConsoleAssets } from './console-assets.ts';
import { methodNotAllowed, notFound, originRefused } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { AppDetail } from './model.ts';
import { isSameOrigin, sessionCookie, setSessionCookie } from './origin.ts';
import { statusOfCode } from './statuses.ts';

const PAGE = /^\/(?:apps|databases|nodes|routes|gateway|events|settings|storage)?$/;
const APP_PAGE = /^\/apps\/([^/]+)$/;
const NODE_PAGE = /^\/nodes\/([^/]+)$/;
const RECORD_PAGE = /^\/(?:databases|routes|listeners|storage)\/([^/]+)$/;
const EVENTS_PATH = '/events';
const ROUTES_PATH = '/routes';

export class Pages {
  readonly #cloud: Cloud;
  readonly #access: Access;
  readonly #console: ConsoleAssets;

  constructor(options: {
    readonly cloud: Cloud;
    readonly access: Access;
    readonly console: ConsoleAssets;
  }) {
    this.#cloud = options.cloud;
    this.#access = options.access;
    this.#console = options.console;
  }

  async answer(exchange: Exchange): Promise<void> {
    if (exchange.path === '/logout') return this.#logOut(exchange);
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      throw methodNotAllowed(exchange.method, ['GET', 'HEAD']);
    }
    if (exchange.path === '/login') return this.#logIn(exchange);
    const asset = this.#console.asset(exchange.path);
    if (asset === undefined) return this.#page(exchange);
    const headers = { etag: asset.etag, 'cache-control': asset.cacheControl };
    if (exchange.request.headers['if-none-match'] === asset.etag) {
      exchange.sendEmpty(304, headers);
    } else {
      exchange.send(200, asset.type, asset.body, headers);
    }
  }

  /** Redeems only for GET: a program that looks first with HEAD must not use the link up. */
  async #logIn(exchange: Exchange): Promise<void> {
    if (exchange.method !== 'GET') throw methodNotAllowed(exchange.method, ['GET']);
    const code = exchange.search.get('code');
    if (code === null) return this.#askToLogIn(exchange, 401, 'You are not logged in here');
    try {
      const session = await this.#access.redeem(exchange, code);
      if (session === undefined) {
        this.#askToLogIn(exchange, 401, 'This login link was used already or has expired');
        return;
      }
      const { encrypted } = exchange;
      const cookie = setSessionCookie(session.session, { maxAgeMs: session.maxAgeMs, encrypted });
      exchange.sendEmpty(303, { location: '/', 'set-cookie': cookie });
    } catch (error) {
      if (!isMolnError(error)) throw error;
      this.#askToLogIn(exchange, statusOfCode(error.code), error.message);
    }
  }

  /** Open to expired sessions too: whoever wants out gets out. */
  async #logOut(exchange: Exchange): Promise<void> {
    if (exchange.method !== 'POST') throw methodNotAllowed(exchange.method, ['POST']);
    if (!exchange.local && !isSameOrigin(originFacts(exchange))) throw originRefused();
    const session = sessionCookie(exchange.request.headers.cookie);
    if (session !== undefined) await this.#cloud.endSession(session);
    const { encrypted } = exchange;
    const gone = { 'set-cookie': setSessionCookie('', { maxAgeMs: 0, encrypted }) };
    if (exchange.wantsPage) exchange.sendEmpty(303, { location: '/', ...gone });
    else exchange.sendEmpty(204, gone);
  }

  async #page(exchange: Exchange): Promise<void> {
    const { path } = exchange;
    const appName = nameIn(APP_PAGE, path);
    const nodeName = nameIn(NODE_PAGE, path);
    const isNamed = [appName, nodeName, nameIn(RECORD_PAGE, path)].some((one) => one !== undefined);
    const known = isNamed || PAGE.test(path);
    if (!known && !exchange.wantsPage) throw notFound(path);
    let caller: Caller;
    try {
      caller = await this.#access.identify(exchange);
      requireScope(caller, 'read');
    } catch (error) {
      if (!isMolnError(error)) throw error;
      this.#askToLogIn(exchange, statusOfCode(error.code), reasonOf(error));
      return;
    }
    const [status, app, events, routes] = await Promise.all([
      this.#cloud.status(),
      appName === undefined ? undefined : this.#appIfAny(appName),
      path === EVENTS_PATH ? this.#cloud.listEvents() : undefined,
      path === ROUTES_PATH ? this.#cloud.listRoutes() : undefined,
    ]);
    const node = status.nodes.find(({ name }) => name === nodeName);
    const isMissing =
      (appName !== undefined && app === undefined) ||
      (nodeName !== undefined && node === undefined);
    const found = known && !isMissing;
    const html = this.#console.page({ path, caller, status, app, node, events, routes });
    exchange.sendPage(found ? 200 : 404, html);
  }

  async #appIfAny(name: string): Promise<AppDetail | undefined> {
    try {
      return await this.#cloud.showApp(name);
    } catch (error) {
      if (isMolnError(error) && statusOfCode(error.code) < 500) return undefined;
      throw error;
    }
  }

  #askToLogIn(exchange: Exchange, status: number, reason: string): void {
    exchange.sendPage(status, this.#console.loginPage(reason));
  }
}

function reasonOf(error: MolnError): string {
  return error.code === 'API_UNAUTHORIZED' ? 'You are not logged in here' : error.message;
}

function nameIn(page: RegExp, path: string): string | undefined {
  const segment = page.exec(path)?.[1];
  if (segment === undefined) return undefined;
  try {
    return decodeURIComponent(segment);
  } catch {
    // Not a name in any encoding: the page says that there is nothing of that name.
    return undefined;
  }
}
