/** Operations on databases. What is in them is asked for below `/db/NAME/`, in the protocol of libSQL. */
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  type Schema,
  string,
  withDefault,
} from '../../base/schema.ts';
import type {
  DatabaseDetail,
  DatabaseSummary,
  QueryPlan,
  StripeDetail,
} from '../database-model.ts';
import { TOKEN_TTL_MS_MAX } from '../limits.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { number, type Wire } from '../wire.ts';

const SQL_CHARACTERS_MAX = 100_000;

const text = string();
const count = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

const summary = {
  name: text,
  state: literal('open', 'opening', 'failed', 'away'),
  why: optional(text),
  stripes: count,
  copies: count,
  regions: array(text),
  emptyRegions: array(text),
  path: string({ description: 'Below the address of any node; clients of libSQL connect there' }),
  bytes: count,
  connections: count,
  createdAt: integer({
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    description: 'Milliseconds since the epoch',
  }),
  by: text,
};
const summarySchema: Schema<Wire<DatabaseSummary>> = object(summary);

const query = object({
  id: text,
  node: text,
  sql: text,
  caller: text,
  startedAt: count,
  ms: number('Milliseconds so far, or in all'),
});

const stripeSchema: Schema<Wire<StripeDetail>> = object({
  number: count,
  primary: optional(text),
  why: optional(text),
  moves: optional(text),
  split: optional(text),
  slots: count,
  copies: array(
    object({
      node: text,
      role: literal('primary', 'mirror'),
      lag: count,
      fileBytes: count,
      rebuilt: optional(text),
      rebuiltAt: optional(count),
    }),
  ),
  scrub: optional(
    object({
      step: literal('waiting', 'running', 'done'),
      at: optional(count),
      copies: array(
        object({
          node: text,
          result: literal('equal', 'rebuilt', 'failed'),
          why: optional(text),
        }),
      ),
    }),
  ),
  head: count,
  logEntries: count,
  snapshot: optional(
    object({ index: count, bytes: count, nodes: array(text), isStored: optional(boolean()) }),
  ),
  transactions: count,
  groups: count,
  appendMs: number(),
  logBytes: count,
});

const detailSchema: Schema<Wire<DatabaseDetail>> = object({
  ...summary,
  snapshotsWait: optional(text),
  copyWaits: optional(text),
  restorable: optional(object({ from: count, to: count })),
  stripeDetails: array(stripeSchema),
  queries: array(query),
  slow: array(query),
});

const planSchema: Schema<Wire<QueryPlan>> = object({
  plan: text,
  stripes: array(count),
  lines: array(text),
});

const createRequest = object({
  stripes: optional(integer({ min: 1, max: 63, description: 'Default: by the number of nodes' })),
  copies: optional(integer({ min: 1, max: 7, description: 'Of each stripe; default 2' })),
  regions: optional(array(text, { itemsMax: 20 })),
});

const tokenRequest = object({
  for: string({
    description: 'What it is for; shown with the statements that it runs',
    pattern: /^[A-Za-z0-9][A-Za-z0-9._@ -]{0,62}$/,
    patternMeans: 'letters, digits, spaces and . _ @ -, at most 63 characters',
  }),
  readOnly: withDefault(boolean(), false),
  ttlMs: optional(
    integer({ min: 1000, max: TOKEN_TTL_MS_MAX, description: 'Milliseconds until it expires' }),
  ),
});

export const databaseOperations: readonly Operation[] = [
  defineOperation({
    id: 'listDatabases',
    method: 'GET',
    path: '/api/databases',
    scope: 'read',
    tag: 'databases',
    summary: 'All databases',
    description: 'With how they are doing.',
    answer: { kind: 'json', status: 200, schema: array(summarySchema) },
    handle: (cloud) => cloud.listDatabases(),
  }),
  defineOperation({
    id: 'showDatabase',
    method: 'GET',
    path: '/api/databases/{database}',
    scope: 'read',
    tag: 'databases',
    summary: 'One database',
    description: 'Its stripes with their copies, what runs in it now, and what ran long.',
    answer: { kind: 'json', status: 200, schema: detailSchema },
    handle: (cloud, { path }) => cloud.showDatabase(path('database')),
  }),
  defineOperation({
    id: 'createDatabase',
    method: 'PUT',
    path: '/api/databases/{database}',
    scope: 'deploy',
    tag: 'databases',
    summary: 'Make a database',
    description: 'Answers when it can be used. Refused when there is one of this name.',
    json: createRequest,
    answer: { kind: 'json', status: 201, schema: detailSchema },
    handle: (cloud, { path, body, caller }) =>
      cloud.createDatabase(
        path('database'),
        { stripes: body.stripes, copies: body.copies, regions: body.regions },
        caller.name,
      ),
  }),
  defineOperation({
    id: 'dropDatabase',
    method: 'DELETE',
    path: '/api/databases/{database}',
    scope: 'admin',
    tag: 'databases',
    summary: 'Drop a database with everything in it',
    description: 'It cannot be brought back.',
    answer: { kind: 'empty' },
    handle: (cloud, { path, caller }) => cloud.dropDatabase(path('database'), caller.name),
  }),
  defineOperation({
    id: 'restoreDatabase',
    method: 'POST',
    path: '/api/databases/{database}/restores',
    scope: 'deploy',
    tag: 'databases',
    summary: 'Make a new database with what this one had at a time',
    description:
      'All stripes as of one moment, which is noted every few seconds. How far back one can go is in `restorable` of the database.',
    json: object({
      at: integer({
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        description: 'Milliseconds since the epoch',
      }),
      as: string({ description: 'Name of the new database' }),
    }),
    answer: {
      kind: 'json',
      status: 201,
      schema: object({ database: text, at: count }),
    },
    handle: (cloud, { path, body, caller }) =>
      cloud.restoreDatabase(path('database'), body, caller.name),
  }),
  defineOperation({
    id: 'listLostDatabases',
    method: 'GET',
    path: '/api/lost-databases',
    scope: 'read',
    tag: 'databases',
    summary: 'Databases of a lost cluster, whose snapshots came back with its files',
    description:
      'Those of which the file store has snapshots and this cluster has no record. Without `at` not all of its stripes can be had as of one moment, and `why` says why.',
    answer: {
      kind: 'json',
      status: 200,
      schema: array(
        object({
          id: text,
          name: text,
          stripes: count,
          at: optional(count),
          why: optional(text),
          bytes: count,
        }),
      ),
    },
    handle: (cloud) => cloud.listLostDatabases(),
  }),
  defineOperation({
    id: 'restoreLostDatabase',
    method: 'POST',
    path: '/api/lost-databases/{lost}/restores',
    scope: 'deploy',
    tag: 'databases',
    summary: 'Make a new database of the snapshots of a lost one',
    description:
      'All stripes as of one moment, the newest that the snapshots lead to. What was written later is lost: it was in the commit log only. `{lost}` is a name or an id.',
    json: object({ as: string({ description: 'Name of the new database' }) }),
    answer: {
      kind: 'json',
      status: 201,
      schema: object({ database: text, at: count }),
    },
    handle: (cloud, { path, body, caller }) =>
      cloud.restoreLostDatabase(path('lost'), body, caller.name),
  }),
  defineOperation({
    id: 'forgetLostDatabase',
    method: 'DELETE',
    path: '/api/lost-databases/{lost}',
    scope: 'deploy',
    tag: 'databases',
    summary: 'Remove the snapshots of a lost database from the file store',
    description: '`{lost}` is a name or an id. They go within ten minutes, and cannot be had back.',
    answer: { kind: 'empty' },
    handle: (cloud, { path, caller }) => cloud.forgetLostDatabase(path('lost'), caller.name),
  }),
  defineOperation({
    id: 'moveStripe',
    method: 'POST',
    path: '/api/databases/{database}/moves',
    scope: 'deploy',
    tag: 'databases',
    summary: 'Have a stripe led by another node',
    description:
      'Answers when that node leads it. Writes wait for a moment. A node without a copy gets one first; when that takes long, the answer is DATABASES_MOVE_WAITS, and it moves later.',
    json: object({
      stripe: integer({ min: 0, max: 62 }),
      node: string({ description: 'Name of the node' }),
    }),
    answer: { kind: 'json', status: 200, schema: stripeSchema },
    handle: (cloud, { path, body, caller }) =>
      cloud.moveStripe(path('database'), body.stripe, body.node, caller.name),
  }),
  defineOperation({
    id: 'splitStripe',
    method: 'POST',
    path: '/api/databases/{database}/splits',
    scope: 'deploy',
    tag: 'databases',
    summary: 'Split a stripe: half of its slots move to a new one',
    description:
      'Answers with the new stripe when that is done. Clients wait for moments. When it takes long, the answer is DATABASES_SPLIT_WAITS, and it goes on by itself.',
    json: object({ stripe: integer({ min: 0, max: 62 }) }),
    answer: { kind: 'json', status: 200, schema: stripeSchema },
    handle: (cloud, { path, body, caller }) =>
      cloud.splitStripe(path('database'), body.stripe, caller.name),
  }),
  defineOperation({
    id: 'scrubDatabase',
    method: 'POST',
    path: '/api/databases/{database}/scrubs',
    scope: 'deploy',
    tag: 'databases',
    summary: 'Compare all copies of a database',
    description:
      'Row by row, one stripe after the other; copies that are wrong are built anew. Answers at once with the stripes whose primary was reached; how far it is stands in `scrub` of each stripe.',
    answer: { kind: 'json', status: 200, schema: object({ stripes: array(count) }) },
    handle: (cloud, { path, caller }) => cloud.scrubDatabase(path('database'), caller.name),
  }),
  defineOperation({
    id: 'createDatabaseToken',
    method: 'POST',
    path: '/api/databases/{database}/tokens',
    scope: 'deploy',
    tag: 'databases',
    summary: 'Make a token for one database',
    description:
      'It opens this database and nothing else. It is in this answer and is kept nowhere.',
    json: tokenRequest,
    answer: { kind: 'json', status: 201, schema: object({ token: string() }) },
    handle: (cloud, { path, body }) =>
      cloud.createDatabaseToken(path('database'), {
        for: body.for,
        readOnly: body.readOnly,
        ttlMs: body.ttlMs,
      }),
  }),
  defineOperation({
    id: 'revokeDatabaseTokens',
    method: 'DELETE',
    path: '/api/databases/{database}/tokens',
    scope: 'admin',
    tag: 'databases',
    summary: 'Revoke all tokens of a database',
    description:
      'Those of its own; tokens of the API still open it. Apps get new ones when they are restarted.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.revokeDatabaseTokens(path('database')),
  }),
  defineOperation({
    id: 'killQuery',
    method: 'DELETE',
    path: '/api/databases/{database}/queries/{query}',
    scope: 'deploy',
    tag: 'databases',
    summary: 'End a statement that runs',
    description: 'Its client is told; nothing of it happened.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.killQuery(path('database'), path('query')),
  }),
  defineOperation({
    id: 'explainQuery',
    method: 'POST',
    path: '/api/databases/{database}/explain',
    scope: 'read',
    tag: 'databases',
    summary: 'How a statement would be run',
    description:
      'The plan, the stripes that it asks, and what each of them is sent. Nothing is run.',
    json: object({ sql: string({ lengthMax: SQL_CHARACTERS_MAX }) }),
    answer: { kind: 'json', status: 200, schema: planSchema },
    handle: (cloud, { path, body }) => cloud.explainQuery(path('database'), body.sql),
  }),
];
