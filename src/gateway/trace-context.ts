/** W3C trace context (level 1): who comes with a trace goes on with it, all others begin one. Pure; chance comes in. */
import type { HeadChange } from './forward-head.ts';

/** The place of one request in its trace. */
export interface RequestTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** The gateway's own, 16 digits: the parent of what the upstream does. */
  readonly spanId: string;
  /** Of the client's span; undefined for a trace that begins here. */
  readonly parentId: string | undefined;
  /** Its span is exported. */
  readonly isSampled: boolean;
  /** To the head that the upstream gets. */
  readonly change: HeadChange;
}

export interface TraceParent {
  readonly traceId: string;
  readonly parentId: string;
  readonly isSampled: boolean;
}

const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;

/** Undefined for what section 3.2 calls invalid: the trace is then begun anew. */
export function parseTraceParent(value: string | undefined): TraceParent | undefined {
  const match = value === undefined ? null : PARENT.exec(value);
  if (match === null) return undefined;
  const [, version, traceId = '', parentId = '', flags = '', rest] = match;
  // Later versions may say more; what is known of them stands where it stood.
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

/** `ids`: that many random bytes in hexadecimal. `draw`: 0 to 1. */
export function traceOf(
  parent: TraceParent | undefined,
  { ids, draw, sample }: { ids: (bytes: number) => string; draw: () => number; sample: number },
): RequestTrace {
  const traceId = parent?.traceId ?? ids(16);
  const spanId = ids(8);
  const isSampled = parent?.isSampled ?? draw() < sample;
  const lines = `traceparent: 00-${traceId}-${spanId}-0${isSampled ? 1 : 0}\r\n`;
  // Section 3.3: a state without a valid parent belongs to nothing.
  const drop = parent === undefined ? ['traceparent', 'tracestate'] : ['traceparent'];
  return { traceId, spanId, parentId: parent?.parentId, isSampled, change: { drop, lines } };
}
