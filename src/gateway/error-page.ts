/**
 * Complete answers that the gateway gives in its own name: a quiet page for people, problem details (RFC 9457) or
 * one line of text for programs. The id is also in the access log. Nothing from outside is written unescaped.
 */
import { escapeHtml } from '../base/html.ts';
import { randomId } from '../base/ids.ts';
import { systemClock } from '../base/time.ts';
import { formatHttpDate } from '../http/http-date.ts';
import { reasonPhrase, statusLine } from '../http/status.ts';
import type { ClientRequest } from './client-request.ts';

export interface ErrorResponseOptions {
  /** Short and random; the user can quote it, the operator finds it in the log. */
  readonly id: string;
  /** The request was HEAD: the same head, no body. */
  readonly head?: boolean;
  /** Say `Connection: close`; the caller closes. */
  readonly close?: boolean;
  /** Whole lines for the head. */
  readonly lines?: string;
  readonly html?: boolean;
  readonly json?: boolean;
  /** One plain sentence about what happened; a default by status otherwise. */
  readonly reason?: string | undefined;
  /** Seconds, for 429 and 503. */
  readonly retryAfterS?: number | undefined;
  /** Epoch milliseconds, for the Date field. */
  readonly now?: number;
}

const SENTENCES: ReadonlyMap<number, string> = new Map([
  [400, 'The request could not be understood'],
  [403, 'This page is not for everybody'],
  [404, 'There is nothing at this address'],
  [405, 'This address does not take that kind of request'],
  [408, 'The request took too long to arrive'],
  [413, 'The request is larger than this site accepts'],
  [414, 'The address is longer than this site accepts'],
  [421, 'The connection was made for another site'],
  [429, 'There were too many requests in a short time'],
  [431, 'The request has more header fields than this site accepts'],
  [500, 'Something went wrong here'],
  [501, 'This kind of request is not supported'],
  [502, 'The app broke off its answer'],
  [503, 'The app is not running, or is too busy to answer'],
  [504, 'The app did not answer in time'],
  [505, 'This version of HTTP is not supported'],
]);

/** The whole HTTP/1.1 response as bytes. */
export function errorResponse(status: number, options: ErrorResponseOptions): Buffer {
  const reason = oneLine(options.reason ?? SENTENCES.get(status) ?? reasonPhrase(status));
  // RFC 9110 15.3.5 and 15.4.5: these never have a body, and one would be taken for the next answer.
  const bodyless = status === 204 || status === 304;
  const { type, body } = render(status, reason, options);
  const lines = [
    statusLine(status),
    `Date: ${formatHttpDate(options.now ?? systemClock.now())}`,
    ...(bodyless ? [] : [`Content-Type: ${type}`, `Content-Length: ${body.length}`]),
    'Cache-Control: no-store',
    `Moln-Error-Id: ${fieldSafe(options.id)}`,
    ...(options.html === true ? [PAGE_POLICY] : []),
    ...(options.retryAfterS === undefined
      ? []
      : [`Retry-After: ${Math.max(0, Math.ceil(options.retryAfterS))}`]),
    ...(options.close === true ? ['Connection: close'] : []),
  ];
  const head = Buffer.from(`${lines.join('\r\n')}\r\n${options.lines ?? ''}\r\n`, 'latin1');
  return options.head === true || bodyless ? head : Buffer.concat([head, body]);
}

export interface FailureDetails {
  /** For the client, in place of a sentence by status. */
  readonly reason?: string;
  readonly retryAfterS?: number;
}

/** The answer to a request that failed; its status is known, and its id is made here. */
export function failureAnswer(
  request: ClientRequest,
  options: FailureDetails & { readonly close: boolean; readonly lines: string },
): Buffer {
  request.errorId = randomId(8);
  return errorResponse(request.status, {
    id: request.errorId,
    head: request.method === 'HEAD',
    close: options.close,
    lines: options.lines,
    ...errorFormat(request.accept),
    reason: options.reason,
    retryAfterS: options.retryAfterS,
  });
}

/** What a client would rather read, by its Accept field. Browsers name text/html; the rest gets plain text. */
export function errorFormat(accept: string | undefined): { html: boolean; json: boolean } {
  const wanted = accept?.toLowerCase() ?? '';
  const html = wanted.includes('text/html');
  return { html, json: !html && wanted.includes('json') };
}

/** The page runs no script and loads nothing. */
export const PAGE_POLICY = "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'";

function render(
  status: number,
  reason: string,
  options: ErrorResponseOptions,
): { readonly type: string; readonly body: Buffer } {
  if (options.html === true) {
    const page = renderPage(status, reason, options.id);
    return { type: 'text/html; charset=utf-8', body: Buffer.from(page) };
  }
  if (options.json === true) {
    const problem = { title: reasonPhrase(status), status, detail: reason, id: options.id };
    return { type: 'application/problem+json', body: Buffer.from(`${JSON.stringify(problem)}\n`) };
  }
  const text = `${status} ${reasonPhrase(status)}: ${reason} (${oneLine(options.id)})\n`;
  return { type: 'text/plain; charset=utf-8', body: Buffer.from(text) };
}

function renderPage(status: number, reason: string, id: string): string {
  const title = escapeHtml(`${status} ${reasonPhrase(status)}`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>
:root { color-scheme: light dark; --paper: #fbfaf8; --ink: #23262b; --quiet: #6b7076; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #17191c; --ink: #e4e6e8; --quiet: #959ba1; }
}
body { margin: 0; min-height: 100vh; display: grid; place-items: center;
  background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 system-ui, sans-serif; }
main { padding: 2rem; max-width: 34rem; }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; font-weight: 600; }
p { margin: 0 0 1.5rem; }
small { color: var(--quiet); }
</style>
<main>
<h1>${escapeHtml(reason)}</h1>
<p>${advice(status)}</p>
<small>${title} · <code>${escapeHtml(id)}</code></small>
</main>
</html>
`;
}

function advice(status: number): string {
  if (status === 404) return 'Check the address, or go back to where you came from.';
  if (status >= 500) return 'It is not your fault. Trying again in a moment may help.';
  return 'Going back and trying again may help.';
}

/** Control characters would break plain text apart. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}

/** Only what cannot end a field or a line. */
function fieldSafe(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]/g, '');
}
