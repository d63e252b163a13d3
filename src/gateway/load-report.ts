/**
 * How busy an instance says that it is, on its answers: the field `endpoint-load-metrics` of ORCA (Open Request Cost Aggregation,
 * xds.data.orca.v3), which Envoy and gRPC read too. Understood are its TEXT and JSON forms; what is not understood is as good
 * as not said, and costs nobody the answer.
 */
import { FIELD } from '../http/field-names.ts';
import type { FieldScanner } from '../http/head.ts';
import { LOAD_REPORT_CHARACTERS_MAX } from './limits.ts';

/** As programs print numbers; no sign, since no utilization is below 0. */
const UTILIZATION = /^\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,2})?$/;
/** A name, which may be percent-encoded, and what is none of our business if the name is another one. */
const ENTRY = /^[\w.%-]+=[^\s=]+$/;

/** 0 to 1, or undefined when the head says nothing of it that can be understood. */
export function statedLoad(head: FieldScanner): number | undefined {
  const value = head.value(FIELD.endpointLoadMetrics);
  if (value === undefined) return undefined;
  // Two reports cannot be joined, and neither is the one to believe.
  const isRepeated = (head.repeated & (1 << FIELD.endpointLoadMetrics)) !== 0;
  return isRepeated ? undefined : parseLoadReport(value);
}

/**
 * The load in `TEXT cpu_utilization=0.3,application_utilization=0.4` or `JSON {"application_utilization":0.4}`: what the application
 * says of itself, else its processor time, as Envoy and gRPC choose (gRFC A58). More than 1 is overload, and counts as 1.
 */
export function parseLoadReport(value: string): number | undefined {
  if (value.length > LOAD_REPORT_CHARACTERS_MAX) return undefined;
  const metrics = metricsOf(value);
  if (metrics === undefined) return undefined;
  const { application, processor } = metrics;
  const load =
    application === undefined || application === 0 ? (processor ?? application) : application;
  return load === undefined ? undefined : Math.min(1, load);
}

interface Metrics {
  readonly application: number | undefined;
  readonly processor: number | undefined;
}

function metricsOf(value: string): Metrics | undefined {
  const form = value.slice(0, 5).toUpperCase();
  if (form === 'TEXT ') return ofText(value.slice(5));
  return form === 'JSON ' ? ofJson(value.slice(5)) : undefined;
}

function ofText(text: string): Metrics | undefined {
  const found = new Map<string, string>();
  for (const part of text.split(',')) {
    const entry = part.trim();
    const equals = entry.indexOf('=');
    const name = entry.slice(0, equals);
    if (!ENTRY.test(entry) || found.has(name)) return undefined;
    found.set(name, entry.slice(equals + 1));
  }
  return checked(
    numberOf(found.get('application_utilization')),
    numberOf(found.get('cpu_utilization')),
  );
}

/** Not a number for what is there and is none. */
function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return UTILIZATION.test(text) ? Number(text) : Number.NaN;
}

function ofJson(text: string): Metrics | undefined {
  let report: unknown;
  try {
    report = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof report !== 'object' || report === null || Array.isArray(report)) return undefined;
  // Protocol Buffers writes names of both kinds.
  const own = new Map<string, unknown>(Object.entries(report));
  return checked(
    own.get('application_utilization') ?? own.get('applicationUtilization'),
    own.get('cpu_utilization') ?? own.get('cpuUtilization'),
  );
}

/** One bad number makes the report a bad one. */
function checked(application: unknown, processor: unknown): Metrics | undefined {
  return isUtilization(application) && isUtilization(processor)
    ? { application, processor }
    : undefined;
}

function isUtilization(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && Number.isFinite(value) && value >= 0);
}
