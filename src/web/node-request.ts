/**
 * A request of Node as one of the Web, for those without a body: the parts that every request is asked for are read from Node's own, and
 * a real Request is made when somebody wants more of it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { standInFor } from './stand-in.ts';

/** What the app itself asks of a request. */
export interface Asked {
  readonly method: string;
  /** As a URL has it: resolved, and percent-encoded. */
  readonly pathname: string;
  readonly url: URL;
  /** As `Headers.get`; the name in lower case. */
  header(name: string): string | null;
}

/** A host that a URL may have for certain, so that its own text need not be asked: `1.2.3.999`, say, is none. */
const PLAIN_HOST =
  /^(?!.*xn--)(?:127\.0\.0\.1|(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*)(?::(?:[1-9]\d{0,3}|[1-5]\d{4}))?$/;
/** What ends a host in a URL: the path must be the one that was asked for. */
const NO_HOST = /[\s/?#@\\]/;
/** A target that a URL leaves as it is. */
const PLAIN_TARGET = /^\/[\w\-.~/%+,;:@!$&()*=]*(?:\?[\w\-.~/%+,;:@!$&()*=?]*)?$/;
const DOT_SEGMENT = /\/\.{1,2}(?:[/?]|$)|%2e/i;

class NodeAsked implements Asked {
  readonly method: string;
  readonly pathname: string;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  #url: URL | undefined;

  /** Throws TypeError for what is no URL. */
  constructor(incoming: IncomingMessage, outgoing: ServerResponse) {
    const { method = 'GET', url = '' } = incoming;
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.method = method;
    const isPlain =
      PLAIN_TARGET.test(url) &&
      !DOT_SEGMENT.test(url) &&
      PLAIN_HOST.test(incoming.headers.host ?? 'localhost');
    const query = isPlain ? url.indexOf('?') : -1;
    if (isPlain) this.pathname = query === -1 ? url : url.slice(0, query);
    else this.pathname = this.url.pathname;
  }

  get url(): URL {
    if (this.#url !== undefined) return this.#url;
    const { url = '', headers } = this.incoming;
    const { host = 'localhost' } = headers;
    if (NO_HOST.test(host)) throw new TypeError(`"${host}" is no host`);
    // Put together as text: resolved, "//path" would be another host.
    const made = new URL(url.startsWith('/') ? `http://${host}${url}` : url);
    const isHttp = made.protocol === 'http:' || made.protocol === 'https:';
    if (!isHttp || made.username !== '' || made.password !== '')
      throw new TypeError(`"${url}" is no target`);
    return (this.#url = made);
  }

  header(name: string): string | null {
    const value = this.incoming.headers[name];
    return (Array.isArray(value) ? value.join(', ') : value) ?? null;
  }
}

/** The Request that it may become. */
class NodeRequest {
  readonly #asked: NodeAsked;
  #request: Request | undefined;
  #leaving: AbortController | undefined;

  constructor(asked: NodeAsked) {
    this.#asked = asked;
  }

  static askedOf(request: object): Asked | undefined {
    return #asked in request ? request.#asked : undefined;
  }

  static wholeOf(request: object): Request | undefined {
    return #asked in request ? request.request : undefined;
  }

  get method(): string {
    return this.#asked.method;
  }

  /** Aborted when the visitor leaves before the answer is there. */
  get signal(): AbortSignal {
    if (this.#leaving === undefined) {
      const { outgoing } = this.#asked;
      const leaving = new AbortController();
      const leave = (): void => {
        if (!outgoing.writableFinished) leaving.abort();
      };
      if (outgoing.closed) leave();
      else outgoing.once('close', leave);
      this.#leaving = leaving;
    }
    return this.#leaving.signal;
  }

  get request(): Request {
    if (this.#request !== undefined) return this.#request;
    const { rawHeaders } = this.#asked.incoming;
    const headers = new Headers();
    for (let at = 0; at < rawHeaders.length; at += 2)
      headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
    const { method, signal } = this;
    return (this.#request = new Request(this.#asked.url, { method, headers, signal }));
  }
}

standInFor(Request.prototype, NodeRequest.prototype, 'request');

/** Throws TypeError for what is no request to a path of a host. `incoming`: GET or HEAD. */
export function nodeRequest(incoming: IncomingMessage, outgoing: ServerResponse): Request {
  return new NodeRequest(new NodeAsked(incoming, outgoing)) as unknown as Request;
}

/** One that also the platform takes for a Request, as `new Request(…)` and `fetch` do. */
export function wholeRequest(request: Request): Request {
  const known = NodeRequest.wholeOf(request);
  if (known !== undefined || Object.getPrototypeOf(request) === Request.prototype)
    return known ?? request;
  // One with a body, of the adapter.
  const { body, headers, method, signal, url } = request;
  const init = { method, headers, signal, body, duplex: 'half' } as const;
  return new Request(url, init);
}

export function askedOf(request: Request): Asked {
  const asked = NodeRequest.askedOf(request);
  if (asked !== undefined) return asked;
  const url = new URL(request.url);
  const header = (name: string): string | null => request.headers.get(name);
  return { method: request.method, pathname: url.pathname, url, header };
}
