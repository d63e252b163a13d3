/**
 * The client's side of FastCGI (version 1, specification of 29 April 1996, sections 3 to 5): records out, records in.
 * Pure but for buffering; one request a connection.
 */

const VERSION = 1;
const REQUEST_ID = 1;
const TYPE = { begin: 1, end: 3, params: 4, stdin: 5, stdout: 6, stderr: 7 } as const;
const ROLE_RESPONDER = 1;
/** Content of one record; a multiple of 8 needs no padding. */
const CONTENT_BYTES_MAX = 65_528;

function record(type: number, content: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head[0] = VERSION;
  head[1] = type;
  head.writeUInt16BE(REQUEST_ID, 2);
  head.writeUInt16BE(content.length, 4);
  return Buffer.concat([head, content]);
}

/** Content of any length as records; none ends the stream, so nothing is written for nothing. */
function records(type: number, content: Buffer): Buffer[] {
  const list: Buffer[] = [];
  for (let at = 0; at < content.length; at += CONTENT_BYTES_MAX) {
    list.push(record(type, content.subarray(at, at + CONTENT_BYTES_MAX)));
  }
  return list;
}

function lengthBytes(length: number): Buffer {
  if (length < 128) return Buffer.from([length]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE((length | 0x80000000) >>> 0);
  return bytes;
}

/** Values are bytes in latin1, as HTTP headers are in Node. */
export function beginRequest(params: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(params).flatMap(([name, value]) => {
    const key = Buffer.from(name, 'latin1');
    const text = Buffer.from(value, 'latin1');
    return [lengthBytes(key.length), lengthBytes(text.length), key, text];
  });
  return Buffer.concat([
    record(TYPE.begin, Buffer.from([0, ROLE_RESPONDER, 0, 0, 0, 0, 0, 0])),
    ...records(TYPE.params, Buffer.concat(pairs)),
    record(TYPE.params, Buffer.alloc(0)),
  ]);
}

export function stdinRecords(content: Buffer): Buffer {
  return Buffer.concat(records(TYPE.stdin, content));
}

export const END_OF_STDIN: Buffer = record(TYPE.stdin, Buffer.alloc(0));

export type FromApp =
  | { readonly kind: 'stdout' | 'stderr'; readonly content: Buffer }
  | { readonly kind: 'end' };

/** Takes bytes as they come and gives whole records. */
export class RecordReader {
  #pending: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): FromApp[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const found: FromApp[] = [];
    let at = 0;
    while (this.#pending.length - at >= 8) {
      const length = this.#pending.readUInt16BE(at + 4);
      const padding = this.#pending[at + 6] ?? 0;
      if (this.#pending.length - at < 8 + length + padding) break;
      const content = this.#pending.subarray(at + 8, at + 8 + length);
      const type = this.#pending[at + 1];
      if (type === TYPE.stdout && length > 0) found.push({ kind: 'stdout', content });
      else if (type === TYPE.stderr && length > 0) found.push({ kind: 'stderr', content });
      else if (type === TYPE.end) found.push({ kind: 'end' });
      at += 8 + length + padding;
    }
    this.#pending = this.#pending.subarray(at);
    return found;
  }
}

/** The head of a CGI answer (RFC 3875, section 6). */
export interface CgiHead {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
}

/** Bytes of a CGI answer's head. */
export const CGI_HEAD_BYTES_MAX: number = 64 * 1024;

/** Undefined while the head is not complete; throws when it is too large or no head at all. */
export function readCgiHead(
  bytes: Buffer,
): { readonly head: CgiHead; readonly bodyAt: number } | undefined {
  const end = /\r?\n\r?\n/.exec(bytes.subarray(0, CGI_HEAD_BYTES_MAX).toString('latin1'));
  if (end === null) {
    if (bytes.length >= CGI_HEAD_BYTES_MAX) throw new Error('The head of the answer is too large');
    return undefined;
  }
  let status: number | undefined;
  const headers: [string, string][] = [];
  for (const line of bytes.subarray(0, end.index).toString('latin1').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon <= 0) throw new Error(`"${line.slice(0, 60)}" is not a header`);
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10);
    else headers.push([name, value]);
  }
  // A script that only says where to go means 302 (RFC 3875, section 6.2.3).
  const moved = headers.some(([name]) => name.toLowerCase() === 'location');
  const bodyAt = end.index + end[0].length;
  return { head: { status: status ?? (moved ? 302 : 200), headers }, bodyAt };
}
