/**
 * The head of an HTTP/2 request as that of HTTP/1.1 (RFC 9113 8.3, RFC 8441), for the one codec that judges all requests.
 * What is malformed, or would be read in two ways in the other form, is refused here.
 */
import { randomBytes } from 'node:crypto';
import { type Field, KIND } from '../http2/http2.ts';

const METHOD = /^[A-Z0-9-]+$/;
/** A target never has a space, which would end it in a request line. */
const PATH = /^[/*][\x21-\x7e]*$/;
/** RFC 3986 3.2 without a user (RFC 9113 8.3.1); what of it is a host is judged with all requests. */
const AUTHORITY = /^[A-Za-z0-9._~!$&'()*+,;=:%[\]-]+$/;
const DIGITS = /^\d{1,16}$/;

export interface TranslatedRequest {
  /** Up to and with the empty line, latin1. */
  readonly text: string;
  /** Its body has to be framed in chunks. */
  readonly isChunked: boolean;
  /** Of the body, if it was said. */
  readonly length: number | undefined;
  readonly isHead: boolean;
  /** Of an extended CONNECT: what the other side has to prove that it was asked with. */
  readonly webSocketKey: string | undefined;
}

/** What may be there once. */
class Told {
  method: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  path: string | undefined;
  protocol: string | undefined;
  host: string | undefined;
  length: string | undefined;
  cookie = '';
  lines = '';
}

/** `isWhole`: no body follows. Undefined: malformed. */
export function translateRequest(
  fields: readonly Field[],
  isWhole: boolean,
): TranslatedRequest | undefined {
  const told = new Told();
  let isPseudoOver = false;
  for (const field of fields) {
    const { kind } = field;
    if (kind === KIND.regular) told.lines += field.line;
    else if (!tell(told, field, isPseudoOver)) return undefined;
    if (!isPseudo(kind)) isPseudoOver = true;
  }
  const { authority = told.host, path = '', length, host } = told;
  // RFC 9113 8.3.1: the two must say the same.
  if (authority === undefined || (host !== undefined && host !== authority)) return undefined;
  if (!PATH.test(path) || told.scheme !== 'https' || !AUTHORITY.test(authority)) return undefined;
  const start = requestLine(told, path);
  if (start === undefined) return undefined;
  const { method, webSocketKey } = start;
  let { lines } = told;
  if (told.cookie !== '') lines += `cookie: ${told.cookie}\r\n`;
  if (length !== undefined) {
    if (webSocketKey !== undefined || (isWhole && Number(length) !== 0)) return undefined;
    lines += `content-length: ${length}\r\n`;
  }
  const isChunked = !isWhole && length === undefined && webSocketKey === undefined;
  if (isChunked) lines += 'transfer-encoding: chunked\r\n';
  const upgrade =
    webSocketKey === undefined
      ? ''
      : `upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-key: ${webSocketKey}\r\n`;
  return {
    text: `${method} ${path} HTTP/1.1\r\nhost: ${authority}\r\n${upgrade}${lines}\r\n`,
    isChunked,
    length: length === undefined ? undefined : Number(length),
    isHead: method === 'HEAD',
    webSocketKey,
  };
}

function isPseudo(kind: number): boolean {
  return kind >= KIND.method && kind <= KIND.protocol;
}

/** False: malformed. */
function tell(told: Told, { kind, value, line }: Field, isPseudoOver: boolean): boolean {
  if (isPseudoOver && isPseudo(kind)) return false;
  switch (kind) {
    case KIND.method:
      return once(told, 'method', value);
    case KIND.scheme:
      return once(told, 'scheme', value);
    case KIND.authority:
      return once(told, 'authority', value);
    case KIND.path:
      return once(told, 'path', value);
    case KIND.protocol:
      return once(told, 'protocol', value);
    case KIND.host:
      return once(told, 'host', value);
    case KIND.contentLength:
      return once(told, 'length', value) && DIGITS.test(value);
    case KIND.cookie:
      // RFC 9113 8.2.3: one field again, for those who know no other form.
      told.cookie = told.cookie === '' ? value : `${told.cookie}; ${value}`;
      return true;
    case KIND.webSocketKey:
      if (told.protocol === undefined) told.lines += line;
      return true;
    default:
      return false;
  }
}

type Once = 'method' | 'scheme' | 'authority' | 'path' | 'protocol' | 'host' | 'length';

function once(told: Told, what: Once, value: string): boolean {
  if (told[what] !== undefined) return false;
  told[what] = value;
  return true;
}

/** RFC 8441 5: what is CONNECT with a protocol here is GET with an upgrade there. */
function requestLine(
  { method = '', protocol }: Told,
  path: string,
): { readonly method: string; readonly webSocketKey: string | undefined } | undefined {
  if (!METHOD.test(method) || (path.startsWith('*') && path !== '*')) return undefined;
  if (protocol === undefined) {
    // Without one it has no path (RFC 9113 8.5), and nobody is led anywhere here.
    return method === 'CONNECT' ? undefined : { method, webSocketKey: undefined };
  }
  if (method !== 'CONNECT' || protocol !== 'websocket') return undefined;
  return { method: 'GET', webSocketKey: randomBytes(16).toString('base64') };
}

/** Trailer fields as lines; undefined: malformed. */
export function translateTrailers(fields: readonly Field[]): string | undefined {
  let lines = '';
  for (const field of fields) {
    if (isPseudo(field.kind) || field.kind === KIND.malformed) return undefined;
    lines += field.line;
  }
  return lines;
}
