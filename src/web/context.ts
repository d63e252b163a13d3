/**
 * One request and what an action may want to do with it. Views reach it by `currentContext`, without it being handed down
 * through every component.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReadableStream as Streams } from 'node:stream/web';
import { peerGroup } from '../base/addresses.ts';
import { MolnError } from '../base/errors.ts';
import { readForm, UPLOAD_BYTES_MAX } from './body.ts';
import { titleOf } from './failures.ts';
import { renderText } from './jsx-runtime.ts';
import type { FieldErrors, Given } from './model.ts';
import { type Asked, wholeRequest } from './node-request.ts';
import type { Session } from './session.ts';
import { StreamedPage } from './streamed-page.ts';
import { JSON_TYPE, textAnswer } from './text-answer.ts';
import { admitUpload } from './uploads.ts';

export type FlashKind = 'notice' | 'error';
export interface Flash {
  readonly kind: FlashKind;
  readonly text: string;
}

/** What an action gives: an answer, a view, data (JSON), or nothing, which is 404. */
export type Result = Response | object | string | number | boolean | null | undefined;
export type Action = (context: Context) => Result | Promise<Result>;
/** Runs before actions; what it gives, unless undefined, is the answer, and the action does not run. */
export type Before = (
  context: Context,
) => Response | undefined | void | Promise<Response | undefined | void>;
/** Runs after actions, in turn, with what they answered; what it gives, unless undefined, is the answer instead. */
export type After = (
  context: Context,
  answer: Response,
) => Response | undefined | void | Promise<Response | undefined | void>;

export interface ContextParts {
  readonly request: Request;
  readonly asked: Asked;
  readonly id: string;
  readonly params: Record<string, string>;
  /** Finds out who the visitor is, when somebody asks. */
  readonly session: () => Session;
  readonly address: string;
  readonly isDev: boolean;
  readonly origin?: string | undefined;
  /** Notes why a part of a page could not be made; gives what the visitor sees instead, as HTML. */
  readonly failedPart: (error: unknown) => string;
}

/** A form that cannot be taken: sentences by field, and what was sent. */
export interface Refused {
  readonly ok: false;
  /** 409 when somebody else was faster; default: 422. */
  readonly status?: number;
  readonly errors: FieldErrors;
  readonly values: Given;
}

const HTML_TYPE = 'text/html; charset=utf-8';
const inRequest = new AsyncLocalStorage<Context>();

export class Context {
  /** In the log and on error pages. */
  readonly id: string;
  /** From the path: `:id` is `params.id`. */
  readonly params: Record<string, string>;
  /** Of the visitor, as the gateway says. */
  readonly address: string;
  readonly isDev: boolean;
  /** What the app asks of the request, at less cost. */
  readonly asked: Asked;
  /** Of what `oncePerRequest` asks. Another one for each message of a WebSocket, and none after the answer: by then it may be another thing. */
  turn: object | undefined = {};
  /** For what `before` found and actions and views want, such as the user. */
  readonly locals: Record<string, unknown> = {};
  /** Fields of requests that the answer depends on, for caches. */
  varies = 'Accept, Cookie';
  readonly #request: Request;
  #whole: Request | undefined;
  readonly #openSession: () => Session;
  #session: Session | undefined;
  readonly #origin: string | undefined;
  readonly #failedPart: (error: unknown) => string;
  /** Resolves when all parts of a page are made that come after its head; undefined: there are none. @internal */
  laterParts: Promise<void> | undefined;
  /** Of a form with files. Set before the form is read. */
  uploadBytesMax: number = UPLOAD_BYTES_MAX;
  #form: Promise<Given> | undefined;
  #folder: string | undefined;
  #upload: Disposable | undefined;
  #isOver = false;
  #flashes: readonly Flash[] | undefined;
  #refused: Refused | undefined;

  constructor(parts: ContextParts) {
    this.#request = parts.request;
    this.asked = parts.asked;
    this.id = parts.id;
    this.params = parts.params;
    this.#openSession = parts.session;
    this.address = parts.address;
    this.isDev = parts.isDev;
    this.#origin = parts.origin;
    this.#failedPart = parts.failedPart;
  }

  /** The answer depends on this field of the request too. */
  varyBy(name: string): void {
    if (!this.varies.split(', ').includes(name)) this.varies += `, ${name}`;
  }

  /** The Web's own, with all that it has; `asked` costs less. */
  get request(): Request {
    return (this.#whole ??= wholeRequest(this.#request));
  }

  get session(): Session {
    return (this.#session ??= this.#openSession());
  }

  /** False: nobody has asked for the session so far. @internal */
  get hasSession(): boolean {
    return this.#session !== undefined;
  }

  get url(): URL {
    return this.asked.url;
  }

  /** True when the visitor came over HTTPS. */
  get isSecure(): boolean {
    const scheme = this.asked.header('x-forwarded-proto');
    return scheme === 'https' || this.url.protocol === 'https:';
  }

  /** Where visitors reach this app: for links in mails. `APP_URL` where it is set, else the host of this request, which the gateway has routed. */
  get origin(): string {
    return this.#origin ?? `${this.isSecure ? 'https' : 'http'}://${this.url.host}`;
  }

  /** Whom limits count: the address, of IPv6 its network of 64 bits, for one machine commonly has all of that. */
  get network(): string {
    return peerGroup(this.address);
  }

  /** A parameter of the query string. */
  query(name: string): string | undefined {
    return this.url.searchParams.get(name) ?? undefined;
  }

  /** The fields of the form, or of the JSON object, that was sent. Files are `File`s that lie on disk until the request is answered. */
  form(): Promise<Given> {
    this.#form ??= readForm(this.request, {
      bytesMax: this.uploadBytesMax,
      admit: (fields) => {
        this.refuseForged(fields.get('_csrf'));
        this.#admitUpload();
      },
      folder: () => (this.#folder ??= mkdtempSync(join(tmpdir(), 'moln-upload-'))),
    });
    return this.#form;
  }

  /** Throws `WEB_FORGED` unless this, or the request's head, shows the token of the visitor's session. */
  refuseForged(token: unknown): void {
    const header = this.asked.header('x-csrf-token');
    if (this.session.isToken(header ?? token)) return;
    throw new MolnError(
      'WEB_FORGED',
      'This form is too old, or was not made by this site: go back, load the page again and repeat it',
    );
  }

  #admitUpload(): void {
    if (this.#isOver)
      throw new MolnError('WEB_BAD_BODY', 'The request was answered before its files came');
    this.#upload = admitUpload(this.network);
  }

  /** The request is answered: its files go, if it brought some. @internal */
  end(): Promise<void> | undefined {
    this.turn = undefined;
    this.#isOver = true;
    this.#upload?.[Symbol.dispose]();
    this.#upload = undefined;
    if (this.#folder === undefined) return undefined;
    return rm(this.#folder, { recursive: true, force: true });
  }

  /** True when the client would rather have JSON: the path ends in .json, or Accept says so. */
  get wantsJson(): boolean {
    if (this.asked.pathname.endsWith('.json')) return true;
    const accept = this.asked.header('accept') ?? '';
    const json = accept.indexOf('json');
    const html = accept.indexOf('html');
    return json !== -1 && (html === -1 || json < html);
  }

  /** `data` as JSON for who wants that, the view for everybody else. */
  async respond(data: unknown, view: () => unknown, status = 200): Promise<Response> {
    return this.wantsJson ? this.json(data, status) : await this.html(view(), status);
  }

  async html(node: unknown, status = 200): Promise<Response> {
    const page = new StreamedPage(this.#failedPart);
    const text = await renderText(node, page);
    const html = text.startsWith('<html') ? `<!doctype html>${text}` : text;
    if (!page.hasParts) return textAnswer(html, status, 'content-type', HTML_TYPE);
    // Cookies go with the head: forms that come later need a session that is known by then.
    void this.session.token;
    this.laterParts = page.made();
    const body = Streams.from(page.bytes(html)) as ReadableStream;
    return new Response(body, { status, headers: { 'content-type': HTML_TYPE } });
  }

  json(data: unknown, status = 200): Response {
    const text: string | undefined = JSON.stringify(data ?? null);
    if (text !== undefined) return textAnswer(text, status, 'content-type', JSON_TYPE);
    throw new MolnError('WEB_NO_JSON', `A ${typeof data} cannot be said in JSON`, {
      hint: 'Give data: did the action forget to call a function?',
    });
  }

  /** After a change: the browser asks for that page. Clients of JSON are told with `Location`. Only within this site. */
  redirect(path: string, status: 302 | 303 | 307 | 308 = 303): Response {
    const target = new URL(path, this.url);
    if (target.origin !== this.url.origin) {
      throw new MolnError('WEB_REDIRECT_AWAY', `A redirect to ${target.origin} leaves this site`, {
        hint: 'Give a Response of your own when that is what you want',
      });
    }
    return textAnswer(null, status, 'location', target.pathname + target.search + target.hash);
  }

  /** Something was done: browsers go to that page, clients of JSON get `data` (201 after POST), or 204 without it. */
  done(path: string, data?: unknown): Response {
    if (!this.wantsJson) return this.redirect(path);
    if (data === undefined) return new Response(null, { status: 204 });
    const status = this.asked.method === 'POST' ? 201 : 200;
    return Response.json(data, { status, headers: { location: path } });
  }

  /** A form that was refused: its view again with the sentences at the fields, or problem+json. */
  async invalid(refused: Refused, view: () => unknown): Promise<Response> {
    this.#refused = refused;
    const { errors, status = 422 } = refused;
    if (!this.wantsJson) return await this.html(view(), status);
    const problem = { type: 'about:blank', title: titleOf(status), status, id: this.id, errors };
    return Response.json(problem, {
      status,
      headers: { 'content-type': 'application/problem+json' },
    });
  }

  /** What `invalid` was given: for the helpers of forms. */
  get refused(): Refused | undefined {
    return this.#refused;
  }

  /** A sentence for the next page that the visitor sees. */
  flash(text: string, kind: FlashKind = 'notice'): void {
    const waiting = this.session.get<readonly Flash[]>('flash') ?? [];
    this.session.set('flash', [...waiting, { kind, text }]);
  }

  /** What was flashed before this request; shown once. */
  takeFlashes(): readonly Flash[] {
    if (this.#flashes === undefined) {
      // They stay for a page that shows them in time.
      if (this.session.isSent) return [];
      this.#flashes = this.session.get<readonly Flash[]>('flash') ?? [];
      if (this.#flashes.length > 0) this.session.set('flash', undefined);
    }
    return this.#flashes;
  }
}

/** Runs `work` as a part of that request. */
export function runInContext<T>(context: Context, work: () => T): T {
  return inRequest.run(context, work);
}

/** Undefined in jobs and while files are loaded. */
export function contextIfAny(): Context | undefined {
  return inRequest.getStore();
}

/** The request that is being answered. Throws `WEB_NO_REQUEST` in jobs and while files are loaded. */
export function currentContext(): Context {
  const context = inRequest.getStore();
  if (context !== undefined) return context;
  throw new MolnError('WEB_NO_REQUEST', 'There is no request: this runs outside of an action', {
    hint: 'Hand in what it needs from the action',
  });
}
