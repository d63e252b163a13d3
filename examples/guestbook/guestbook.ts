/** Requests to responses: what each address does, and what is refused. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Entries, MESSAGE_CHARACTERS_MAX, NAME_CHARACTERS_MAX } from './entries.ts';
import { page } from './page.ts';

const FORM_BYTES_MAX: number = 16 * 1024;
const ENTRIES_PER_PAGE = 20;
const STYLE = readFileSync(join(import.meta.dirname, 'style.css'));

const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
};

export interface GuestbookOptions {
  readonly entries: Entries;
  readonly instance?: string | undefined;
  readonly now?: () => number;
}

export class Guestbook {
  readonly #entries: Entries;
  readonly #instance: string | undefined;
  readonly #now: () => number;

  constructor(options: GuestbookOptions) {
    this.#entries = options.entries;
    this.#instance = options.instance;
    this.#now = options.now ?? Date.now;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://guestbook');
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (url.pathname === '/' && reads) this.#showPage(response, url);
    else if (url.pathname === '/entries' && request.method === 'POST') {
      await this.#takeForm(request, response);
    } else if (url.pathname === '/up' && reads) {
      this.#entries.count();
      send(response, 200, 'text/plain; charset=utf-8', 'ok\n');
    } else if (url.pathname === '/style.css' && reads) {
      response.setHeader('cache-control', 'public, max-age=3600');
      send(response, 200, 'text/css; charset=utf-8', STYLE);
    } else if (['/', '/entries', '/up', '/style.css'].includes(url.pathname)) {
      response.setHeader('allow', url.pathname === '/entries' ? 'POST' : 'GET, HEAD');
      send(response, 405, 'text/plain; charset=utf-8', 'This address does not take that method\n');
    } else send(response, 404, 'text/plain; charset=utf-8', 'There is no such page\n');
  }

  #showPage(response: ServerResponse, url: URL): void {
    const before = Number(url.searchParams.get('before') ?? Number.MAX_SAFE_INTEGER);
    this.#render(response, 200, Number.isSafeInteger(before) ? before : undefined, {});
  }

  async #takeForm(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (isForged(request)) {
      send(response, 403, 'text/plain; charset=utf-8', 'This form was sent from another site\n');
      return;
    }
    if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '')) {
      send(response, 415, 'text/plain; charset=utf-8', 'Send the form as a form\n');
      return;
    }
    const body = await readBody(request);
    if (body === undefined) {
      response.setHeader('connection', 'close');
      send(response, 413, 'text/plain; charset=utf-8', 'That is more than a guestbook takes\n');
      return;
    }
    const form = new URLSearchParams(body);
    const name = clean(form.get('name') ?? '').replace(/\s+/g, ' ');
    const message = clean(form.get('message') ?? '');
    const problem = problemOf(name, message);
    if (problem !== undefined) {
      this.#render(response, 422, undefined, { problem, name, message });
      return;
    }
    this.#entries.add({ name, message, writtenAt: this.#now() });
    // A reload of the page after this shows it again instead of writing twice.
    response.writeHead(303, { ...SECURITY_HEADERS, location: '/', 'content-length': 0 }).end();
  }

  #render(
    response: ServerResponse,
    status: number,
    before: number | undefined,
    form: { readonly problem?: string; readonly name?: string; readonly message?: string },
  ): void {
    const found = this.#entries.list(ENTRIES_PER_PAGE + 1, before);
    const html = page({
      ...form,
      entries: found.slice(0, ENTRIES_PER_PAGE),
      more: found.length > ENTRIES_PER_PAGE,
      total: this.#entries.count(),
      instance: this.#instance,
    });
    response.setHeader('cache-control', 'no-store');
    send(response, status, 'text/html; charset=utf-8', html);
  }
}

/**
 * Browsers say where a form comes from; another site cannot change that. A client that says nothing is no browser,
 * and then nobody's cookies are at stake.
 */
export function isForged(request: Pick<IncomingMessage, 'headers'>): boolean {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const { origin } = request.headers;
  if (origin === undefined) return false;
  const host = request.headers['x-forwarded-host'] ?? request.headers.host;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}

function problemOf(name: string, message: string): string | undefined {
  if (name === '') return 'Please give a name';
  if (message === '') return 'Please write something';
  if (name.length > NAME_CHARACTERS_MAX)
    return `A name has at most ${NAME_CHARACTERS_MAX} characters`;
  if (message.length > MESSAGE_CHARACTERS_MAX) {
    return `A message has at most ${MESSAGE_CHARACTERS_MAX} characters`;
  }
  return undefined;
}

/** Without control characters; line ends as one sort, so that the length is what the browser counted. */
function clean(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[^\n\P{Cc}]/gu, '')
    .trim();
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > FORM_BYTES_MAX) return undefined;
    parts.push(chunk as Buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

function send(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Buffer,
): void {
  response.writeHead(status, {
    ...SECURITY_HEADERS,
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
