/** Gives requests their place in a trace, and makes spans of those that are sampled. One for each config of it. */
import { randomFillSync } from 'node:crypto';
import { hostname } from 'node:os';
import type { HeadFields } from '../cache/cache.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { CACHE_RESULT, CACHE_RESULTS } from './cache-result.ts';
import type { ClientRequest } from './client-request.ts';
import type { TraceConfig } from './config.ts';
import type { Plane } from './plane.ts';
import { parseTraceParent, traceOf } from './trace-context.ts';
import type { SpanExporter } from './span-exporter.ts';

const FAILED_STATUS = 500;
/** A longer one is cut off in the span. */
const TARGET_CHARACTERS_MAX = 2000;

const pool = Buffer.alloc(4096);
let poolAt = pool.length;

/** Drawn in bulk: one call of the kernel serves many. */
function randomHex(bytes: number): string {
  if (poolAt + bytes > pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  poolAt += bytes;
  return pool.toString('hex', poolAt - bytes, poolAt);
}

export class Tracer {
  readonly #config: TraceConfig;
  readonly exporter: SpanExporter | undefined;

  constructor(config: TraceConfig, exporter: SpanExporter | undefined) {
    this.#config = config;
    this.exporter = exporter;
  }

  /** Loads what speaks to a collector only when there is one. */
  static async open(
    config: TraceConfig,
    { clock, log }: { readonly clock: Clock; readonly log: Logger },
  ): Promise<Tracer> {
    const { export: url, service = 'moln-gateway' } = config;
    if (url === undefined) return new Tracer(config, undefined);
    const { SpanExporter } = await import('./span-exporter.ts');
    const resource = {
      'service.name': service,
      'host.name': hostname(),
      'process.pid': process.pid,
    };
    return new Tracer(config, new SpanExporter({ url, resource, clock, log }));
  }

  begin(request: ClientRequest, fields: HeadFields, plane: Plane): void {
    request.trace = traceOf(parseTraceParent(fields.get('traceparent')), {
      ids: randomHex,
      draw: plane.random,
      sample: this.#config.sample,
    });
  }

  /** Called for those that are sampled. */
  ended(
    request: ClientRequest,
    on: { readonly plane: Plane; readonly client: string; readonly nowMs: number },
  ): void {
    const { exporter } = this;
    const { trace, route, times, cache } = request;
    if (exporter === undefined || trace === undefined) return;
    const { plane } = on;
    const target = request.target.slice(0, TARGET_CHARACTERS_MAX);
    const at = target.indexOf('?');
    const isAsked = times.askedMs > 0;
    exporter.add({
      traceId: trace.traceId,
      spanId: trace.spanId,
      parentId: trace.parentId,
      // Of low cardinality, as OpenTelemetry asks for.
      name: `${request.method} ${route?.id ?? ''}`.trim(),
      startMs: request.startedMs + plane.epochOffsetMs,
      endMs: on.nowMs + plane.epochOffsetMs,
      isFailed: request.status >= FAILED_STATUS,
      attributes: {
        'http.request.method': request.method,
        'http.response.status_code': request.status,
        'url.path': at === -1 ? target : target.slice(0, at),
        'url.query': at === -1 ? undefined : target.slice(at + 1),
        'server.address': request.authority,
        'client.address': on.client,
        'http.route': route?.id,
        'moln.request.id': plane.idOf(request.number),
        'moln.upstream': request.upstreamId,
        'moln.cache': cache === CACHE_RESULT.none ? undefined : CACHE_RESULTS[cache],
        'moln.queue.ms': isAsked ? times.askedMs - request.startedMs : undefined,
        'moln.connect.ms': times.sentMs > 0 ? times.sentMs - times.askedMs : undefined,
        'moln.first_byte.ms': times.headMs > 0 ? times.headMs - times.sentMs : undefined,
        'error.type': request.error === undefined ? undefined : String(request.status),
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exporter?.[Symbol.asyncDispose]();
  }
}
