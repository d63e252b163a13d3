/**
 * The head of an HTTP/2 request as that of HTTP/1.1 (RFC 9113 8.3, RFC 8441), for the one codec that judges all requests.
 * nghttp2 has refused most of what is malformed before; what would be read in two ways in the other form is refused here.
 */
import { randomBytes } from 'node:crypto';

/** RFC 9110 5.6.2 without capitals (RFC 9113 8.2.1). */
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** Would end a line, or is not allowed in one. */
// oxlint-disable-next-line no-control-regex -- control bytes are what is looked for
const BAD_VALUE = /[\0\r\n]/;
const METHOD = /^[A-Z0-9-]+$/;
/** A target never has a space, which would end it in a request line. */
const PATH = /^[/*][\x21-\x7e]*$/;
const DIGITS = /^\d{1,16}$/;
/** RFC 9113 8.2.2: a message that has one of them is malformed. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

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

interface Pseudo {
  ':method'?: string;
  ':scheme'?: string;
  ':authority'?: string;
  ':path'?: string;
  ':protocol'?: string;
}

const PSEUDO: ReadonlySet<string> = new Set([
  ':method',
  ':scheme',
  ':authority',
  ':path',
  ':protocol',
]);

/** `fields`: names and values in turn, as they came. `isWhole`: no body follows. Undefined: malformed. */
export function translateRequest(
  fields: readonly string[],
  isWhole: boolean,
): TranslatedRequest | undefined {
  const pseudo: Pseudo = {};
  let lines = '';
  let cookie = '';
  let host: string | undefined;
  let length: string | undefined;
  let isPseudoOver = false;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? '';
    const value = fields[at + 1] ?? '';
    if (BAD_VALUE.test(value)) return undefined;
    if (name.startsWith(':')) {
      const isKnown = PSEUDO.has(name) && pseudo[name as keyof Pseudo] === undefined;
      if (!isKnown || isPseudoOver) return undefined;
      pseudo[name as keyof Pseudo] = value;
      continue;
    }
    isPseudoOver = true;
    if (!NAME.test(name) || FORBIDDEN.has(name)) {
      return undefined;
    } else if (name === 'host') {
      if (host !== undefined) return undefined;
      host = value;
    } else if (name === 'cookie') {
      // RFC 9113 8.2.3: one field again, for those who know no other form.
      cookie = cookie === '' ? value : `${cookie}; ${value}`;
    } else if (name === 'content-length') {
      if (length !== undefined || !DIGITS.test(value)) return undefined;
      length = value;
    } else if (name !== 'sec-websocket-key' || pseudo[':protocol'] === undefined) {
      lines += `${name}: ${value}\r\n`;
    }
  }
  const { ':authority': authority = host, ':path': path = '' } = pseudo;
  // RFC 9113 8.3.1: the two must say the same.
  if (authority === undefined || (host !== undefined && host !== authority)) return undefined;
  if (!PATH.test(path) || pseudo[':scheme'] !== 'https') return undefined;
  if (cookie !== '') lines += `cookie: ${cookie}\r\n`;
  const start = requestLine(pseudo, path);
  if (start === undefined) return undefined;
  const { method, webSocketKey } = start;
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

/** RFC 8441 5: what is CONNECT with a protocol here is GET with an upgrade there. */
function requestLine(
  pseudo: Pseudo,
  path: string,
): { readonly method: string; readonly webSocketKey: string | undefined } | undefined {
  const { ':method': method = '', ':protocol': protocol } = pseudo;
  if (!METHOD.test(method) || (path.startsWith('*') && path !== '*')) return undefined;
  if (protocol === undefined) return { method, webSocketKey: undefined };
  if (method !== 'CONNECT' || protocol !== 'websocket') return undefined;
  return { method: 'GET', webSocketKey: randomBytes(16).toString('base64') };
}

/** Trailer fields as lines; undefined: malformed. */
export function translateTrailers(fields: readonly string[]): string | undefined {
  let lines = '';
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? '';
    const value = fields[at + 1] ?? '';
    if (!NAME.test(name) || FORBIDDEN.has(name) || BAD_VALUE.test(value)) return undefined;
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}
