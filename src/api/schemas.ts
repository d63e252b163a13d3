/** The model (`model.ts`) as schemas: what the OpenAPI document says of answers, checked by the compiler. */
import type { ErrorBody } from '../base/errors.ts';
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  record,
  string,
  type JsonSchema,
  type Schema,
} from '../base/schema.ts';
import type {
  AppDetail,
  AppSummary,
  DeploymentDetail,
  InstanceDetail,
  LiveSample,
  LogLine,
  NodeDetail,
  NodeStatus,
  Progress,
  ReleaseDetail,
  RunOutput,
  Status,
  TokenDetail,
} from './model.ts';
import { anything, named, nullable, number, type NamedShapes, type Wire } from './wire.ts';

const shapes = new Map<string, JsonSchema>();
export const namedShapes: NamedShapes = shapes;

const count = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const time = integer({
  min: 0,
  max: Number.MAX_SAFE_INTEGER,
  description: 'Milliseconds since the epoch',
});
const bytes = integer({ min: 0, max: Number.MAX_SAFE_INTEGER, description: 'Bytes' });
const ratio = number('0 to 1');
const text = string();
const texts = array(text);
const scope = literal('admin', 'deploy', 'read');

export const errorSchema: Schema<Wire<ErrorBody>> = named(
  shapes,
  'Error',
  object({
    code: string({ description: 'Stable, for programs' }),
    message: string({ description: 'One sentence, for people' }),
    retryable: boolean('Whether the same call may succeed later'),
    hint: optional(string({ description: 'What to do' })),
    details: optional(record(anything)),
  }),
);

export const errorAnswerSchema: Schema<{ readonly error: Wire<ErrorBody> }> = named(
  shapes,
  'ErrorAnswer',
  object({ error: errorSchema }),
);

export const appSummarySchema: Schema<Wire<AppSummary>> = named(
  shapes,
  'AppSummary',
  object(appSummaryFields()),
);

// A function, because the fields are used twice and an object literal of schemas has no short type.
function appSummaryFields() {
  return {
    name: text,
    kind: text,
    state: literal('healthy', 'degraded', 'failing', 'starting', 'deploying', 'stopped', 'empty'),
    release: optional(text),
    urls: texts,
    instances: object({ healthy: count, wanted: count }),
    deployedAt: optional(time),
  };
}

const instanceSchema: Schema<Wire<InstanceDetail>> = named(
  shapes,
  'Instance',
  object({
    id: text,
    process: text,
    release: text,
    node: text,
    state: text,
    reason: text,
    pid: optional(count),
    driver: text,
    address: optional(text),
    startedAt: time,
    restarts: count,
    memoryBytes: optional(bytes),
    requestsNow: count,
  }),
);

const releaseSchema: Schema<Wire<ReleaseDetail>> = named(
  shapes,
  'Release',
  object({
    id: text,
    files: count,
    bytes,
    createdAt: time,
    kind: text,
    current: boolean(),
    isStored: optional(boolean()),
  }),
);

const deploymentSchema: Schema<Wire<DeploymentDetail>> = named(
  shapes,
  'Deployment',
  object({ release: text, at: time, by: text, kind: text }),
);

export const appDetailSchema: Schema<Wire<AppDetail>> = named(
  shapes,
  'AppDetail',
  object({
    ...appSummaryFields(),
    explanation: text,
    domains: texts,
    scale: record(count),
    env: record(text),
    secretNames: texts,
    instanceList: array(instanceSchema),
    releases: array(releaseSchema),
    history: array(deploymentSchema),
  }),
);

/** Of a node, wherever one is described. */
const nodeFields = {
  id: text,
  name: text,
  region: text,
  labels: record(text),
  state: literal('ready', 'starting', 'stopping', 'draining', 'suspect', 'lost'),
  address: text,
  port: count,
  dataFolder: text,
  version: text,
  startedAt: time,
  cpu: object({ cores: count, usedRatio: ratio }),
  memory: object({ totalBytes: bytes, usedBytes: bytes }),
  disk: object({ totalBytes: bytes, freeBytes: bytes }),
  etcd: literal('none', 'runs', 'away'),
} as const;

const nodeSchema: Schema<Wire<NodeStatus>> = named(shapes, 'Node', object(nodeFields));

export const nodeDetailSchema: Schema<Wire<NodeDetail>> = named(
  shapes,
  'NodeDetail',
  object({
    ...nodeFields,
    reason: text,
    isManager: boolean(),
    isLeader: boolean(),
    silentMs: count,
    joinedAt: time,
    certificateEndsAt: time,
    instances: texts,
  }),
);

export const statusSchema: Schema<Wire<Status>> = named(
  shapes,
  'Status',
  object({
    sentence: text,
    version: text,
    cluster: object({ id: text, name: text, fingerprint: text }),
    self: text,
    leader: text,
    managers: text,
    warnings: array(text),
    nodes: array(nodeSchema),
    apps: array(appSummarySchema),
    gateway: object({
      url: text,
      httpsUrl: text,
      workers: array(
        object({
          pid: count,
          connections: count,
          memoryBytes: bytes,
          state: literal('serving', 'starting', 'away'),
        }),
      ),
    }),
    console: object({ url: text }),
    registry: object({ engine: text, revision: count, isLive: boolean() }),
    driver: object({ name: text, why: text, isolated: boolean() }),
    workers: array(
      object({ name: text, status: text, state: text, errors: count, lastError: optional(text) }),
    ),
  }),
);

export const progressSchema: Schema<unknown> = named(shapes, 'Progress', {
  decode: (value) => value,
  json: {
    description: 'Told apart by "kind"; the last item is done or failed',
    oneOf: [
      variant<Progress, 'step'>('step', { at: time.json, message: text.json }),
      variant<Progress, 'output'>('output', { at: time.json, line: text.json }),
      variant<Progress, 'done'>('done', { app: text.json, release: text.json, url: text.json }),
      variant<Progress, 'failed'>('failed', { error: errorSchema.json, logTail: texts.json }),
    ],
  },
});

export const runOutputSchema: Schema<unknown> = named(shapes, 'RunOutput', {
  decode: (value) => value,
  json: {
    description: 'Told apart by "kind"; the last item is the exit',
    oneOf: [
      variant<RunOutput, 'output'>('output', {
        stream: literal('stdout', 'stderr').json,
        base64: text.json,
      }),
      variant<RunOutput, 'exit'>('exit', {
        code: nullable(integer({ min: 0, max: 255 })).json,
        signal: nullable(text).json,
      }),
    ],
  },
});

/** One shape of a union told apart by `kind`, with exactly the model's keys. */
function variant<T extends { readonly kind: string }, Kind extends T['kind']>(
  kind: Kind,
  fields: Readonly<Record<Exclude<keyof Extract<T, { kind: Kind }>, 'kind'>, JsonSchema>>,
): JsonSchema {
  const properties = { kind: { type: 'string', const: kind }, ...fields };
  return { type: 'object', required: Object.keys(properties), properties };
}

export const logLineSchema: Schema<Wire<LogLine>> = named(
  shapes,
  'LogLine',
  object({ at: time, instance: text, process: text, text }),
);

export const liveSampleSchema: Schema<Wire<LiveSample>> = named(
  shapes,
  'LiveSample',
  object({
    at: time,
    requestsPerSecond: number(),
    errorsPerSecond: number(),
    p50Ms: number('Milliseconds'),
    p95Ms: number('Milliseconds'),
    bytesOutPerSecond: number(),
    cpuRatio: ratio,
    memoryBytes: number('Bytes'),
    connections: count,
    apps: record(object({ requestsPerSecond: number(), errorsPerSecond: number() })),
  }),
);

export const tokenDetailSchema: Schema<Wire<TokenDetail>> = named(
  shapes,
  'Token',
  object({
    id: text,
    name: text,
    scope,
    createdAt: time,
    expiresAt: optional(time),
    lastUsedAt: optional(time),
  }),
);

export const envSchema: Schema<{
  readonly env: Readonly<Record<string, string>>;
  readonly secretNames: readonly string[];
}> = object({ env: record(text), secretNames: texts });

export const scopeSchema: Schema<'admin' | 'deploy' | 'read'> = scope;
