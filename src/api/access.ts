/**
 * Who asks, and whether they may. The unix socket is the local admin (the folder's permission is the
 * check); over TCP a bearer token or the console's session cookie says who it is.
 */
import { peerGroup } from '../net/net.ts';
import type { Caller, Cloud } from './cloud.ts';
import { forbidden, originRefused, tooManyFailures, unauthorized } from './errors.ts';
import type { FailureLimit, WayIn } from './failure-limit.ts';
import type { Scope } from './model.ts';
import { isSameOrigin, sessionCookie } from './origin.ts';
import type { Exchange } from './exchange.ts';

const LOCAL_ADMIN: Caller = { name: 'local', scope: 'admin' };
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);
const RANK: Readonly<Record<Scope, number>> = { read: 0, deploy: 1, admin: 2 };

/** Throws `API_FORBIDDEN` when the caller's scope does not include the wanted one. */
export function requireScope(caller: Caller, wanted: Scope): void {
  if (RANK[caller.scope] < RANK[wanted]) throw forbidden(wanted, caller.scope);
}

export class Access {
  readonly #cloud: Cloud;
  readonly #failures: FailureLimit;

  constructor(options: { readonly cloud: Cloud; readonly failures: FailureLimit }) {
    this.#cloud = options.cloud;
    this.#failures = options.failures;
  }

  /**
   * The caller, or throws `API_UNAUTHORIZED`, `API_TOO_MANY_FAILURES`, or `API_ORIGIN_FORBIDDEN` when a
   * cookie came along with a request of another site.
   */
  async identify(exchange: Exchange): Promise<Caller> {
    if (exchange.local) return LOCAL_ADMIN;
    const { authorization, cookie } = exchange.request.headers;
    if (authorization !== undefined) return this.#byToken(exchange, authorization);
    const session = sessionCookie(cookie);
    if (session !== undefined) return this.#bySession(exchange, session);
    throw unauthorized('This needs a token or a session');
  }

  async #byToken(exchange: Exchange, authorization: string): Promise<Caller> {
    const token = /^Bearer +([\w.~+/-]{1,512}=*)$/i.exec(authorization)?.[1];
    if (token === undefined) throw unauthorized('The Authorization header is not "Bearer TOKEN"');
    const caller = await this.#cloud.verifyToken(token);
    if (caller !== undefined) return caller;
    this.#refuseHasty('token', exchange);
    throw unauthorized('The token is unknown, revoked or expired');
  }

  async #bySession(exchange: Exchange, session: string): Promise<Caller> {
    const caller = await this.#cloud.verifySession(session);
    if (caller === undefined) {
      this.#refuseHasty('session', exchange);
      throw unauthorized('The session has ended');
    }
    // A cookie travels with requests that other sites make, so it alone proves nothing about a change.
    if (!SAFE_METHODS.has(exchange.method) && !isSameOrigin(originFacts(exchange))) {
      throw originRefused();
    }
    return caller;
  }

  /** Trades a login link's code for a session; undefined when it is used, unknown or expired. */
  async redeem(exchange: Exchange, code: string): ReturnType<Cloud['redeemLogin']> {
    const session = await this.#cloud.redeemLogin(code);
    if (session === undefined) this.#refuseHasty('login', exchange);
    return session;
  }

  /**
   * Throws `API_TOO_MANY_FAILURES` when wrong secrets come too fast from there. Asked only after a secret was found wrong:
   * a right one always opens, or whoever shares an address with others (all users of one machine do) could lock them out.
   */
  #refuseHasty(way: WayIn, exchange: Exchange): void {
    const peer = peerOf(exchange);
    const isHasty = !this.#failures.allows(way, peer);
    this.#failures.recordFailure(way, peer);
    if (isHasty) throw tooManyFailures();
  }
}

function peerOf(exchange: Exchange): string {
  return peerGroup(exchange.request.socket.remoteAddress);
}

export function originFacts({ request, encrypted }: Exchange): Parameters<typeof isSameOrigin>[0] {
  const { origin, host } = request.headers;
  const site = request.headers['sec-fetch-site'];
  return {
    origin,
    host,
    encrypted,
    secFetchSite: Array.isArray(site) ? site.join() : site,
  };
}
