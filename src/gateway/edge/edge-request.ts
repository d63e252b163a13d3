/** One request on its way through an edge module: how it is put to the module, and what is made of the verdict. */
import { statusLine } from '../../http/status.ts';
import type { RequestHead } from '../../http/head.ts';
import { clientScheme } from '../client-fragment.ts';
import type { Connection } from '../connection.ts';
import { isChangeable } from '../field-rules.ts';
import type { HeadChange } from '../forward-head.ts';
import type { EdgeAsk, EdgeFields, EdgeVerdict } from './edge-message.ts';
import type { EdgeModule, EdgeOutcome } from './edge-module.ts';

const RETRY_AFTER_S = 1;
const BODYLESS_STATUS: ReadonlySet<number> = new Set([204, 205, 304]);
/** Of answers: framing is the gateway's own business, and cookies come as fields of their own. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection']);

/** The request in the plane's scratch objects as the module sees it. */
export function edgeAsk(connection: Connection, head: RequestHead): Omit<EdgeAsk, 'id' | 'body'> {
  const { plane, shape, clientAddress } = connection;
  const { authority, target } = plane.target;
  return {
    method: connection.request.method,
    url: `${clientScheme(connection)}://${authority || connection.localAuthority}${target}`,
    fields: fieldsOf(head),
    client: shape?.client ?? clientAddress,
  };
}

function fieldsOf(head: RequestHead): EdgeFields {
  const fields: [string, string][] = [];
  for (let index = 0; index < head.count; index++) {
    fields.push([head.nameAt(index).toLowerCase(), head.valueAt(index)]);
  }
  return fields;
}

/** True when the request goes on to its target, changed as the module wants; otherwise it has been answered. */
export function settleEdge(connection: Connection, ask: EdgeFields, outcome: EdgeOutcome): boolean {
  switch (outcome.kind) {
    case 'pass':
      return passes(connection, ask, outcome);
    case 'answer':
      answer(connection, outcome);
      return false;
    case 'failed':
      connection.fail(500, `The edge module failed: ${outcome.reason}`);
      return false;
    case 'late':
      connection.fail(504, 'The edge module took too long');
      return false;
    case 'full':
      connection.fail(503, 'Too many requests wait for the edge module', {
        retryAfterS: RETRY_AFTER_S,
      });
      return false;
  }
}

function passes(
  { shape }: Connection,
  ask: EdgeFields,
  { target, fields }: Extract<EdgeVerdict, { readonly kind: 'pass' }>,
): boolean {
  if (shape === undefined) return true;
  if (target !== undefined) shape.target = target;
  if (fields !== undefined) shape.change(changeOf(ask, fields));
  return true;
}

/** What has to be dropped and added, so that the fields that may be changed are those of `after`. */
export function changeOf(before: EdgeFields, after: EdgeFields): HeadChange | undefined {
  const [was, is] = [byName(before), byName(after)];
  const drop: string[] = [];
  let lines = '';
  for (const name of new Set([...was.keys(), ...is.keys()])) {
    const value = is.get(name);
    if (value === was.get(name) || !isChangeable(name)) continue;
    if (was.has(name)) drop.push(name);
    if (value !== undefined) lines += `${name}: ${value}\r\n`;
  }
  return drop.length === 0 && lines === '' ? undefined : { drop, lines };
}

/** As `Headers` joins them, which trims values too. */
function byName(fields: EdgeFields): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of fields) {
    const known = found.get(name);
    const separator = name === 'cookie' ? '; ' : ', ';
    found.set(name, known === undefined ? value.trim() : `${known}${separator}${value.trim()}`);
  }
  return found;
}

function answer(
  connection: Connection,
  { status, fields, body }: Extract<EdgeVerdict, { readonly kind: 'answer' }>,
): void {
  let head = `${statusLine(status)}\r\n${connection.plane.dateLine}`;
  for (const [name, value] of fields) {
    if (!FRAMING.has(name) && name !== 'date') head += `${name}: ${value}\r\n`;
  }
  if (BODYLESS_STATUS.has(status)) {
    connection.answerBodyless(status, head);
    return;
  }
  head += `Content-Length: ${body.length}\r\n`;
  if (connection.request.method === 'HEAD') connection.answerBodyless(status, head);
  else
    connection.answerBuffers(status, head, [
      Buffer.from(body.buffer, body.byteOffset, body.length),
    ]);
}

/** Puts the request to the module. */
export function askEdge(
  module: EdgeModule,
  ask: Omit<EdgeAsk, 'id' | 'body'>,
  body: Buffer | undefined,
): Promise<EdgeOutcome> {
  // A copy of its own: the gateway still has to send it on, and a message takes all of the memory that a body is a part of.
  const own = body === undefined || body.length === 0 ? undefined : new Uint8Array(body);
  return module.ask({ ...ask, body: own });
}
