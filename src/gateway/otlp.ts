/** Spans as OTLP over HTTP has them in JSON (opentelemetry-proto 1.x, trace.proto): ids in hexadecimal, 64-bit numbers as text. Pure. */

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly name: string;
  /** Epoch milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  readonly isFailed: boolean;
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
}

const KIND_SERVER = 2;
const STATUS_UNSET = 0;
const STATUS_ERROR = 2;

/** The body of one POST. */
export function otlpText(
  spans: readonly Span[],
  resource: Readonly<Record<string, string | number>>,
): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope: { name: 'moln.gateway' }, spans: spans.map(spanOf) }],
      },
    ],
  });
}

function spanOf(span: Span): object {
  const { traceId, spanId, parentId, name, startMs, endMs, isFailed, attributes } = span;
  return {
    traceId,
    spanId,
    ...(parentId === undefined ? {} : { parentSpanId: parentId }),
    name,
    kind: KIND_SERVER,
    startTimeUnixNano: nanosecondsOf(startMs),
    endTimeUnixNano: nanosecondsOf(endMs),
    attributes: attributesOf(attributes),
    status: { code: isFailed ? STATUS_ERROR : STATUS_UNSET },
  };
}

/** More digits than a double of nanoseconds has. */
function nanosecondsOf(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}

function attributesOf(all: Span['attributes']): readonly object[] {
  return Object.entries(all).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: valueOf(value) }],
  );
}

function valueOf(value: string | number): object {
  if (typeof value === 'string') return { stringValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
