/** What a route changes about the answer to one request, whoever gives it. What is stored is what the upstream said. */
import { BodyCoder } from './body-coder.ts';
import { CACHE_RESULT } from './cache-result.ts';
import type { CompressWish } from './compression.ts';
import type { Connection } from './connection.ts';
import { errorFormat } from './error-page.ts';
import { type HeadChange, together } from './forward-head.ts';
import { changedHead, fieldIn } from './head-text.ts';
import { HSTS_FIELD } from './https-only.ts';
import type { Site } from './site.ts';
import { SwallowedBody } from './swallowed-body.ts';

const CONNECTION: ReadonlySet<string> = new Set(['connection']);
const OWN_PAGE: ReadonlySet<string> = new Set([
  'content-type',
  'content-length',
  'content-security-policy',
]);
/** What is about the bytes that a page takes the place of (RFC 9110 8, RFC 9530). */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  ...OWN_PAGE,
  'accept-ranges',
  'content-digest',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-range',
  'digest',
  'etag',
  'last-modified',
  'repr-digest',
  'trailer',
  'transfer-encoding',
]);
const HEAD_END = '\r\n\r\n';

export class AnswerShape {
  readonly site: Site;
  /** The client, and its scheme, as a trusted proxy says. */
  client: string | undefined;
  clientScheme: 'http' | 'https' | undefined;
  /** After a rewrite. */
  target: string | undefined;
  /** What is changed about the request on its way to an upstream. */
  request: HeadChange | undefined;
  /** The request is not the one that the client sent: what answers it must not answer others. */
  isPrivate = false;
  /** All of the request's body, or what of it was gathered before an upstream was asked. */
  gathered: Buffer | undefined;
  /** Fields that every answer to this request has. */
  lines = '';
  /** Lower-case names of fields that these lines are in place of. */
  drop: ReadonlySet<string> | undefined;
  readonly #wish: CompressWish | undefined;

  constructor(site: Site, wish: CompressWish | undefined) {
    this.site = site;
    this.request = site.request;
    this.#wish = wish;
  }

  /** Of this request alone, before the route's own changes. */
  change(change: HeadChange | undefined): void {
    if (change === undefined) return;
    this.request = together(change, this.site.request);
    this.isPrivate = true;
  }

  /**
   * Writes the head; what is written from then on may leave compressed, or a page of the route was sent in its place. `head` lacks
   * Connection and the empty line.
   */
  begin(connection: Connection, head: string): void {
    const { status, upstreamId, cache, accept } = connection.request;
    // Files, redirects and modules answer in the route's own name.
    const isOfOthers = upstreamId !== undefined || cache !== CACHE_RESULT.none;
    const page =
      isOfOthers && !errorFormat(accept).json ? this.site.pageInstead(status) : undefined;
    if (page === undefined) {
      this.#write(connection, head, this.#wish);
      return;
    }
    this.#write(connection, changedHead(head, OF_THE_BODY, pageLines(page)), undefined);
    if (connection.request.method !== 'HEAD') connection.out.owned(page);
    connection.out.coder = new SwallowedBody(connection);
  }

  #write(connection: Connection, head: string, wish: CompressWish | undefined): void {
    const { out, request } = connection;
    const { compression, response } = this.site;
    const { status } = request;
    const judged =
      compression === undefined || wish === undefined
        ? undefined
        : compression.judge(status, head, wish);
    let text = judged?.head ?? head;
    const hasBody = request.method !== 'HEAD';
    const coding = hasBody ? judged?.coding : undefined;
    const isChunked = coding !== undefined && request.minor === 1;
    if (isChunked) text += 'Transfer-Encoding: chunked\r\n';
    // The end of a body without length is the end of the connection.
    else if (coding !== undefined) connection.keepAlive = false;
    if (this.drop !== undefined) text = changedHead(text, this.drop, '');
    text += this.lines;
    if (response !== undefined) text = changedHead(text, response.dropped, response.lines);
    if (connection.owner.answerLines !== '') text = changedHead(text, HSTS_FIELD, '');
    out.text(`${text}${connection.connectionLine}\r\n`);
    if (coding === undefined) return;
    const streams = fieldIn(head, 'content-length') === undefined;
    out.flush();
    out.coder = new BodyCoder(connection, { coding, isChunked, streams });
  }

  /** An answer of the gateway's own about something that went wrong. */
  fail(connection: Connection, answer: Buffer): void {
    const { status, method, accept } = connection.request;
    const headEnd = answer.indexOf(HEAD_END);
    const head = changedHead(answer.toString('latin1', 0, headEnd + 2), CONNECTION, '');
    const page = errorFormat(accept).json ? undefined : this.site.pageFor(status);
    if (page === undefined) {
      this.#write(connection, head, this.#wish);
      connection.out.owned(answer.subarray(headEnd + HEAD_END.length));
      return;
    }
    this.#write(connection, changedHead(head, OWN_PAGE, pageLines(page)), this.#wish);
    if (method !== 'HEAD') connection.out.owned(page);
  }
}

function pageLines({ length }: Buffer): string {
  return `Content-Type: text/html; charset=utf-8\r\nContent-Length: ${length}\r\n`;
}
