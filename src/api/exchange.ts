/** One request and its answer, and the only place that writes heads and whole bodies. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** What every answer carries: nothing of it may be framed, sniffed, kept or told to other sites. */
const COMMON_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
};

const NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** The console's pages: own files only; styles set by scripts are not inline styles and stay allowed. */
export const CONSOLE_POLICY: string = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Came over the unix socket. */
  readonly local: boolean;
  readonly encrypted: boolean;
  readonly method: string;
  readonly path: string;
  readonly search: URLSearchParams;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    options: { readonly local: boolean },
  ) {
    this.request = request;
    this.response = response;
    this.local = options.local;
    this.encrypted = 'encrypted' in request.socket && request.socket.encrypted === true;
    this.method = request.method ?? '';
    const target = request.url ?? '';
    const question = target.indexOf('?');
    this.path = question < 0 ? target : target.slice(0, question);
    this.search = new URLSearchParams(question < 0 ? '' : target.slice(question + 1));
  }

  /** Whether the request says that a body follows. RFC 9112 §6.3. */
  get hasBody(): boolean {
    const { headers } = this.request;
    return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  }

  /** A person's browser, as opposed to a script of the console or a program. */
  get wantsPage(): boolean {
    return (this.request.headers.accept ?? '').includes('text/html');
  }

  writeHead(status: number, headers: OutgoingHttpHeaders): void {
    this.response.writeHead(status, {
      ...COMMON_HEADERS,
      'content-security-policy': NO_CONTENT_POLICY,
      ...headers,
    });
  }

  /** The whole answer. The length is set; a HEAD gets the head alone. */
  send(
    status: number,
    type: string,
    body: string | Uint8Array,
    headers: OutgoingHttpHeaders = {},
  ): void {
    this.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      ...headers,
    });
    this.response.end(body);
  }

  sendJson(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): void {
    this.send(status, 'application/json; charset=utf-8', `${JSON.stringify(value)}\n`, headers);
  }

  /** 204, or a redirect: an answer without a body. */
  sendEmpty(status: 204 | 303 | 304, headers: OutgoingHttpHeaders = {}): void {
    this.writeHead(status, status === 303 ? { 'content-length': 0, ...headers } : headers);
    this.response.end();
  }

  sendPage(status: number, html: string, headers: OutgoingHttpHeaders = {}): void {
    this.send(status, 'text/html; charset=utf-8', html, {
      'content-security-policy': CONSOLE_POLICY,
      ...headers,
    });
  }
}
