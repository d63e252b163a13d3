/**
 * Heads as they go to the other side: the scanned bytes with a few lines left out and a few added. Nothing is
 * taken apart that can stay: a usual head is one slice and one appended fragment.
 */
import { LAST_CHUNK } from '../http/chunked.ts';
import { FIELD, fieldSet } from '../http/field-names.ts';
import { BODY, type BodyKind, type RequestFraming } from '../http/framing.ts';
import type { FieldScanner, RequestHead, ResponseHead } from '../http/head.ts';
import type { RequestTarget } from '../http/target.ts';
import { mayHoldSession, otherCookies } from './session-cookie.ts';

/**
 * Ends at this hop (RFC 9110 7.6.1), is framing that is said anew, or is what only the gateway may say about the
 * client.
 */
const REQUEST_DROPPED = fieldSet(
  FIELD.contentLength,
  FIELD.transferEncoding,
  FIELD.connection,
  FIELD.keepAlive,
  FIELD.proxyConnection,
  FIELD.te,
  FIELD.upgrade,
  FIELD.expect,
  FIELD.http2Settings,
  FIELD.forwarded,
  FIELD.xRealIp,
  FIELD.xForwarded,
  FIELD.proxyAuthorization,
);

const RESPONSE_DROPPED = fieldSet(
  FIELD.transferEncoding,
  FIELD.connection,
  FIELD.keepAlive,
  FIELD.proxyConnection,
  FIELD.te,
  FIELD.upgrade,
  FIELD.proxyAuthenticate,
  // Said to the gateway; how busy an app is is none of the client's business.
  FIELD.endpointLoadMetrics,
);

const HOST_DROPPED = fieldSet(FIELD.host);
const COOKIE_DROPPED = fieldSet(FIELD.cookie);
const LENGTH_DROPPED = fieldSet(FIELD.contentLength);
const TRAILER_DROPPED = fieldSet(FIELD.trailer);
const DATE_BIT = fieldSet(FIELD.date);
const TE_BIT = fieldSet(FIELD.te);

/**
 * Never in a trailer section (RFC 9110 6.5.1): framing, routing, and what decides before the body. Some servers put trailer fields
 * among the others, and would believe them there.
 */
const TRAILER_FORBIDDEN = fieldSet(
  FIELD.host,
  FIELD.contentLength,
  FIELD.transferEncoding,
  FIELD.connection,
  FIELD.keepAlive,
  FIELD.proxyConnection,
  FIELD.te,
  FIELD.trailer,
  FIELD.upgrade,
  FIELD.expect,
  FIELD.http2Settings,
  FIELD.forwarded,
  FIELD.xRealIp,
  FIELD.xForwarded,
  FIELD.ifNoneMatch,
  FIELD.ifModifiedSince,
  FIELD.ifMatch,
  FIELD.ifUnmodifiedSince,
  FIELD.range,
  FIELD.ifRange,
  FIELD.date,
  FIELD.cacheControl,
  FIELD.contentType,
  FIELD.contentEncoding,
  FIELD.cookie,
  FIELD.proxyAuthorization,
  FIELD.proxyAuthenticate,
  FIELD.endpointLoadMetrics,
);

/** The same of fields that have no id. */
const TRAILER_FORBIDDEN_NAMES: readonly string[] = [
  'age',
  'authorization',
  'content-range',
  'expires',
  'location',
  'max-forwards',
  'pragma',
  'retry-after',
  'set-cookie',
  'vary',
  'warning',
  'www-authenticate',
];

/** What a head is written to, in the order of its bytes; an `Outbox` is one. */
export interface HeadSink {
  text(text: string): void;
  /** The bytes `from..to` of the head that is passed on. */
  copied(buffer: Buffer, from: number, to: number): void;
}

/** A head as text, for those who change more about it or need it again. */
class HeadText implements HeadSink {
  value = '';
  private readonly head: FieldScanner;

  constructor(head: FieldScanner) {
    this.head = head;
  }

  text(text: string): void {
    this.value += text;
  }

  copied(_buffer: Buffer, from: number, to: number): void {
    this.value += this.head.slice(from, to);
  }
}

/** The bytes from `from` to the end of the fields, without lines of dropped fields. */
function putKeptLines(
  sink: HeadSink,
  head: FieldScanner,
  from: number,
  dropped: number,
  names: readonly string[],
): void {
  const { buffer } = head;
  const end = head.end - 2;
  let at = from;
  if ((head.seen & dropped) !== 0 || names.length > 0) {
    for (let index = 0; index < head.count; index++) {
      const drops =
        (dropped & (1 << (head.ids[index] ?? 0))) !== 0 ||
        (names.length > 0 && names.includes(head.nameAt(index).toLowerCase()));
      if (!drops) continue;
      const line = head.lineAt(index);
      if (line > at) sink.copied(buffer, at, line);
      at = head.lineAt(index + 1);
    }
  }
  if (at < end) sink.copied(buffer, at, end);
}

function keptLines(
  head: FieldScanner,
  from: number,
  dropped: number,
  names: readonly string[],
): string {
  const text = new HeadText(head);
  putKeptLines(text, head, from, dropped, names);
  return text.value;
}

/** What is changed about a head on its way. */
export interface HeadChange {
  /** Lower-case names of fields that are left out. */
  readonly drop: readonly string[];
  /** Whole lines in their place. */
  readonly lines: string;
  /** In place of the client's. */
  readonly host?: string | undefined;
}

/** Both changes; the lines of the second come last. */
export function together(one: HeadChange, two: HeadChange | undefined): HeadChange;
export function together(
  one: HeadChange | undefined,
  two: HeadChange | undefined,
): HeadChange | undefined;
export function together(
  one: HeadChange | undefined,
  two: HeadChange | undefined,
): HeadChange | undefined {
  if (two === undefined) return one;
  if (one === undefined) return two;
  return {
    drop: [...one.drop, ...two.drop],
    lines: one.lines + two.lines,
    host: two.host ?? one.host,
  };
}

/**
 * Writes the head to send upstream. `fragment` holds whole lines about the client (`Via` first, then `X-Forwarded-For` and so on);
 * `connection.localAuthority` is Host for a client that sent none.
 */
export function putRequestHead(
  sink: HeadSink,
  head: RequestHead,
  on: {
    readonly framing: RequestFraming;
    readonly target: RequestTarget;
    readonly fragment: string;
    readonly connection: { readonly localAuthority: string };
    readonly change?: HeadChange | undefined;
  },
): void {
  const { framing, target, fragment, connection, change } = on;
  const originForm = head.buffer[head.targetStart] === 0x2f && !target.replaced;
  const session = mayHoldSession(head);
  const dropped = session ? REQUEST_DROPPED | COOKIE_DROPPED : REQUEST_DROPPED;
  const names = change === undefined ? framing.names : [...framing.names, ...change.drop];
  if (originForm && head.minor === 1 && change?.host === undefined) {
    putKeptLines(sink, head, head.methodStart, dropped, names);
  } else {
    const own = target.authority === '' ? connection.localAuthority : target.authority;
    const authority = change?.host ?? own;
    sink.text(`${head.method} ${target.target} HTTP/1.1\r\nHost: ${authority}\r\n`);
    putKeptLines(sink, head, head.lineAt(0), dropped | HOST_DROPPED, names);
  }
  if (session) sink.text(otherCookies(head));
  sink.text(change?.drop.includes('via') === true ? withoutVia(fragment) : fragment);
  if (change !== undefined) sink.text(change.lines);
  if (framing.kind === BODY.length) sink.text(`Content-Length: ${framing.length}\r\n`);
  else if (framing.kind === BODY.chunked) sink.text('Transfer-Encoding: chunked\r\n');
  if (framing.expectContinue) sink.text('Expect: 100-continue\r\n');
  if (framing.upgrade) sink.text(upgradeLines(head));
  else if ((head.seen & TE_BIT) !== 0 && wantsTrailers(head)) {
    sink.text('TE: trailers\r\nConnection: TE\r\n');
  }
  sink.text('\r\n');
}

/** A route says otherwise. */
function withoutVia(fragment: string): string {
  return fragment.slice(fragment.indexOf('\n') + 1);
}

/** The same as text. */
export function requestHeadText(
  head: RequestHead,
  on: Parameters<typeof putRequestHead>[2],
): string {
  const text = new HeadText(head);
  putRequestHead(text, head, on);
  return text.value;
}

/** The same for another gateway process that is asked in the origin's place: without a word about the client, whose target it is. */
export function questionHeadText(
  head: RequestHead,
  asked: {
    readonly target: string;
    readonly authority: string;
    /** Lower-case names of fields that are left out. */
    readonly names: readonly string[];
    /** Whole lines. */
    readonly lines: string;
  },
): string {
  const session = mayHoldSession(head);
  const dropped = REQUEST_DROPPED | HOST_DROPPED | (session ? COOKIE_DROPPED : 0);
  const line = `${head.method} ${asked.target} HTTP/1.1\r\nHost: ${asked.authority}\r\n`;
  const kept = keptLines(head, head.lineAt(0), dropped, asked.names);
  return `${line}${kept}${session ? otherCookies(head) : ''}${asked.lines}\r\n`;
}

/** The protocols that the head asks to change to, without `h2c`, which would tunnel past the gateway. */
export function upgradeProtocols(head: FieldScanner): string {
  const value = head.joined(FIELD.upgrade) ?? '';
  return value
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '' && !/^h2c?$/i.test(protocol))
    .join(', ');
}

function upgradeLines(head: FieldScanner): string {
  const protocols = upgradeProtocols(head);
  return protocols === '' ? '' : `Connection: Upgrade\r\nUpgrade: ${protocols}\r\n`;
}

function wantsTrailers(head: FieldScanner): boolean {
  return /(?:^|[\s,])trailers(?:$|[\s,;])/i.test(head.joined(FIELD.te) ?? '');
}

/** How an answer goes on to the client. */
export interface ResponseHeadOptions {
  /** Fields that the upstream's Connection names. */
  readonly names: readonly string[];
  /** Framing towards the client; `BODY.none` for answers without a body. */
  readonly kind: BodyKind;
  /** `Connection: …` and its line end, or nothing. */
  readonly connection: string;
  /** A whole line, added when the upstream sent no Date (RFC 9110 6.6.1). */
  readonly dateLine: string;
  /** Further whole lines. */
  readonly lines: string;
}

/** Writes the head to send to the client, for a final answer. */
export function putResponseHead(
  sink: HeadSink,
  head: ResponseHead,
  options: ResponseHeadOptions,
): void {
  let dropped = RESPONSE_DROPPED;
  // A 204 has no length (RFC 9110 8.6); a body that is chunked towards the client has none either.
  if (options.kind === BODY.chunked || head.status === 204) dropped |= LENGTH_DROPPED;
  if (options.kind !== BODY.chunked) dropped |= TRAILER_DROPPED;
  if (head.minor === 1) {
    putKeptLines(sink, head, head.start, dropped, options.names);
  } else {
    sink.text(`HTTP/1.1 ${head.slice(head.statusStart, head.statusEnd)}\r\n`);
    putKeptLines(sink, head, head.lineAt(0), dropped, options.names);
  }
  // One by one: putting them together first costs more than writing them.
  if ((head.seen & DATE_BIT) === 0) sink.text(options.dateLine);
  if (options.kind === BODY.chunked) sink.text('Transfer-Encoding: chunked\r\n');
  if (options.lines !== '') sink.text(options.lines);
  if (options.connection !== '') sink.text(options.connection);
  sink.text('\r\n');
}

/** The same as text. */
export function responseHeadText(head: ResponseHead, options: ResponseHeadOptions): string {
  const text = new HeadText(head);
  putResponseHead(text, head, options);
  return text.value;
}

/** An interim answer (1xx but 101): hop-by-hop fields and framing do not belong there. */
export function interimHeadText(head: ResponseHead, names: readonly string[]): string {
  const line = `HTTP/1.1 ${head.slice(head.statusStart, head.statusEnd)}\r\n`;
  const dropped = RESPONSE_DROPPED | LENGTH_DROPPED | TRAILER_DROPPED;
  return `${line}${keptLines(head, head.lineAt(0), dropped, names)}\r\n`;
}

/** 101: the connection changes its protocol. */
export function switchingHeadText(head: ResponseHead, names: readonly string[]): string {
  const line = `HTTP/1.1 ${head.slice(head.statusStart, head.statusEnd)}\r\n`;
  const dropped = RESPONSE_DROPPED | LENGTH_DROPPED | TRAILER_DROPPED;
  return `${line}${keptLines(head, head.lineAt(0), dropped, names)}${upgradeLines(head)}\r\n`;
}

/** The last chunk with the trailer fields that may be passed on. `names`: in lower case, what the head lost on its way. */
export function lastChunkText(
  trailers: FieldScanner | undefined,
  names: readonly string[],
): string {
  if (trailers === undefined) return LAST_CHUNK;
  const dropped = [...TRAILER_FORBIDDEN_NAMES, ...names];
  return `0\r\n${keptLines(trailers, trailers.start, TRAILER_FORBIDDEN, dropped)}\r\n`;
}
