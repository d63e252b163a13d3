/**
 * Whether a connection begins with a request that brings much for the file store: its body need not come through node:http, whose buffers cost more to collect
 * than all else that is done with them. Pure; what is unusual in any way is left to the full server.
 */
import { FIELD } from '../http/field-names.ts';
import { BODY, RequestFraming } from '../http/framing.ts';
import { RequestHead } from '../http/head.ts';
import { isHttpError } from '../http/http-error.ts';
import { DEFAULT_HEAD_LIMITS } from '../http/limits.ts';
import { FILES_PATH } from './database-door.ts';
import { LARGE_UPLOAD_BYTES } from './limits.ts';

export interface UploadHead {
  readonly method: string;
  readonly url: string;
  /** By their names in lower case; each came once. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the body, in bytes. */
  readonly length: number;
  /** Where the body begins in what was read. */
  readonly end: number;
}

const METHODS: ReadonlySet<string> = new Set(['PUT', 'POST']);
const head = new RequestHead(DEFAULT_HEAD_LIMITS);
const framing = new RequestFraming();

/** `read`: what came so far, from its beginning. */
export function largeUpload(read: Buffer): UploadHead | undefined {
  head.reset(0);
  try {
    if (!head.scan(read, read.length)) return undefined;
    framing.read(head);
  } catch (error) {
    if (!isHttpError(error)) throw error;
    return undefined;
  }
  const { method, target: url, end } = head;
  const { kind, length } = framing;
  if (!METHODS.has(method) || !FILES_PATH.test(url.split('?', 1)[0] ?? '')) return undefined;
  if (kind !== BODY.length || length < LARGE_UPLOAD_BYTES) return undefined;
  if (head.minor !== 1 || head.indexOf(FIELD.upgrade) >= 0) return undefined;
  const headers: Record<string, string> = {};
  for (let at = 0; at < head.count; at++) {
    const name = head.nameAt(at).toLowerCase();
    if (Object.hasOwn(headers, name)) return undefined;
    headers[name] = head.valueAt(at);
  }
  return { method, url, headers, length, end };
}
