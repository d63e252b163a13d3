/** One WebDAV request on its way, and what it is answered with. */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../base/time.ts';
import type { FileStore, KeyGrant } from '../files/files.ts';
import { parseXml, type XmlElement, XmlError } from '../xml/xml.ts';
import { DavError } from './dav-error.ts';
import type { Place } from './resource.ts';

export interface Caller {
  readonly owner: string;
  readonly may: KeyGrant;
  readonly readOnly: boolean;
}

export interface DavCall {
  readonly store: FileStore;
  readonly clock: Clock;
  readonly request: IncomingMessage;
  readonly method: string;
  readonly place: Place;
  readonly caller: Caller;
  readonly body: AsyncIterable<Uint8Array>;
}

const DOCUMENT_BYTES_MAX = 1024 * 1024;

export function headerOf(call: DavCall, name: string): string | undefined {
  const value = call.request.headers[name];
  return typeof value === 'object' ? value.join(', ') : value;
}

export function depthOf(call: DavCall, standard: '0' | '1' | 'infinity'): '0' | '1' | 'infinity' {
  const text = headerOf(call, 'depth')?.toLowerCase() ?? standard;
  if (text === '0' || text === '1' || text === 'infinity') return text;
  throw new DavError(400, `Depth is "${text}", want 0, 1 or infinity`);
}

/** Undefined when the body is empty. Throws 400 for what is not well-formed, 413 for what is too much. */
export async function readDocument(call: DavCall): Promise<XmlElement | undefined> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of call.body) {
    size += piece.length;
    if (size > DOCUMENT_BYTES_MAX)
      throw new DavError(413, `The document has more than ${DOCUMENT_BYTES_MAX} bytes`);
    pieces.push(piece);
  }
  if (size === 0) return undefined;
  try {
    return parseXml(Buffer.concat(pieces), { bytesMax: DOCUMENT_BYTES_MAX, elementsMax: 10_000 });
  } catch (error) {
    if (error instanceof XmlError) throw new DavError(400, error.message, { cause: error });
    throw error;
  }
}

/** A key for some buckets sees those; one for all, and a token of the cluster, sees every bucket. */
export function mayUse(caller: Caller, bucket: string, writes: boolean): boolean {
  if (writes && caller.readOnly) return false;
  if (caller.may === 'all') return true;
  return caller.may.some((one) => one.bucket === bucket && (one.write || !writes));
}

export function checkMay(caller: Caller, bucket: string, writes: boolean): void {
  if (bucket === '' && !writes) return;
  if (mayUse(caller, bucket, writes)) return;
  throw new DavError(403, `This key may not ${writes ? 'write to' : 'read'} "${bucket}"`, {
    condition: { name: 'need-privileges' },
  });
}
