/** Operations on routes and listeners of the cluster's gateways. They decide what strangers reach, so changes need `admin`. */
import { ConfigError } from '../../base/errors.ts';
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  type Schema,
  string,
} from '../../base/schema.ts';
import { listenerSchema, routeSchema, type Written, writtenSchema } from '../../routes/routes.ts';
import { defineOperation, type Operation } from '../operation.ts';
import type { ListenerDetail, RecordChange, RouteAnswer, RouteDetail } from '../route-model.ts';
import type { Wire } from '../wire.ts';

const text = string();
const texts = array(text);
const count = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

/** Described in full; checked where it is written, so that a mistake is said in one way. */
const route: Schema<Written> = { ...writtenSchema, json: routeSchema.json };
const listener: Schema<Written> = { ...writtenSchema, json: listenerSchema.json };

const record = {
  name: text,
  createdAt: count,
  changedAt: count,
  by: text,
  revision: count,
};

const routeDetail: Schema<Wire<RouteDetail>> = object({
  ...record,
  written: route,
  hosts: texts,
  path: text,
  target: literal('upstreams', 'app', 'bucket', 'redirect', 'respond'),
  leadsTo: text,
  isCached: boolean(),
  requests: count,
  troubles: texts,
});

const onNodes = array(object({ node: text, message: text }));

const listenerDetail: Schema<Wire<ListenerDetail>> = object({
  ...record,
  written: listener,
  protocol: literal('http', 'https', 'tcp', 'udp'),
  address: text,
  port: count,
  leadsTo: text,
  troubles: onNodes,
});

const done: Schema<Wire<RouteAnswer>> = object({ nodes: texts, away: texts, troubles: onNodes });

interface ChangeBody {
  readonly written?: Written;
  readonly yaml?: string;
  readonly revision?: number;
}

function changeBody(shape: Schema<Written>): Schema<ChangeBody> {
  return object({
    written: optional(shape),
    yaml: optional(string({ lengthMax: 512 * 1024, description: 'In place of "written"' })),
    revision: optional(
      integer({
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        description: 'Refused when it has another one by now; 0: when there is one',
      }),
    ),
  });
}

function changeOf({ written: value, yaml, revision }: ChangeBody): RecordChange {
  const given = value ?? (yaml === undefined ? undefined : { yaml });
  if (given === undefined || (value !== undefined && yaml !== undefined)) {
    throw new ConfigError('written', 'Want either key "written" or key "yaml"');
  }
  return { written: given, ...(revision === undefined ? {} : { ifRevision: revision }) };
}

const WHEN_DONE =
  'Answers when the gateways of all nodes that are heard of use it; requests and connections under way are not disturbed.';

export const routeOperations: readonly Operation[] = [
  defineOperation({
    id: 'listRoutes',
    method: 'GET',
    path: '/api/routes',
    scope: 'read',
    tag: 'gateway',
    summary: 'Routes of the cluster',
    description: 'Beside those of apps.',
    answer: { kind: 'json', status: 200, schema: array(routeDetail) },
    handle: (cloud) => cloud.listRoutes(),
  }),
  defineOperation({
    id: 'showRoute',
    method: 'GET',
    path: '/api/routes/{route}',
    scope: 'read',
    tag: 'gateway',
    summary: 'One route',
    description: 'Hashes of passwords are not shown.',
    answer: { kind: 'json', status: 200, schema: routeDetail },
    handle: (cloud, { path }) => cloud.showRoute(path('route')),
  }),
  defineOperation({
    id: 'checkRoute',
    method: 'POST',
    path: '/api/routes/{route}/check',
    scope: 'read',
    tag: 'gateway',
    summary: 'Whether a route could be set',
    description: 'Changes nothing.',
    json: changeBody(route),
    answer: { kind: 'json', status: 200, schema: object({ written: route }) },
    handle: async (cloud, { path, body }) => ({
      written: await cloud.checkRoute(path('route'), changeOf(body)),
    }),
  }),
  defineOperation({
    id: 'setRoute',
    method: 'PUT',
    path: '/api/routes/{route}',
    scope: 'admin',
    tag: 'gateway',
    summary: 'Add or replace a route',
    description: WHEN_DONE,
    json: changeBody(route),
    answer: { kind: 'json', status: 200, schema: done },
    handle: (cloud, { path, body, caller }) =>
      cloud.setRoute(path('route'), changeOf(body), caller.name),
  }),
  defineOperation({
    id: 'removeRoute',
    method: 'DELETE',
    path: '/api/routes/{route}',
    scope: 'admin',
    tag: 'gateway',
    summary: 'Remove a route',
    description: WHEN_DONE,
    answer: { kind: 'json', status: 200, schema: done },
    handle: (cloud, { path, caller }) => cloud.removeRoute(path('route'), caller.name),
  }),
  defineOperation({
    id: 'listListeners',
    method: 'GET',
    path: '/api/listeners',
    scope: 'read',
    tag: 'gateway',
    summary: 'Further ports of all gateways',
    description: 'Beside those that each node has by itself; says where one could not be opened.',
    answer: { kind: 'json', status: 200, schema: array(listenerDetail) },
    handle: (cloud) => cloud.listListeners(),
  }),
  defineOperation({
    id: 'showListener',
    method: 'GET',
    path: '/api/listeners/{listener}',
    scope: 'read',
    tag: 'gateway',
    summary: 'One listener',
    description: 'And where it could not be opened.',
    answer: { kind: 'json', status: 200, schema: listenerDetail },
    handle: (cloud, { path }) => cloud.showListener(path('listener')),
  }),
  defineOperation({
    id: 'checkListener',
    method: 'POST',
    path: '/api/listeners/{listener}/check',
    scope: 'read',
    tag: 'gateway',
    summary: 'Whether a listener could be set',
    description: 'Asks all nodes for the port, and changes nothing.',
    json: changeBody(listener),
    answer: { kind: 'json', status: 200, schema: object({ written: listener }) },
    handle: async (cloud, { path, body }) => ({
      written: await cloud.checkListener(path('listener'), changeOf(body)),
    }),
  }),
  defineOperation({
    id: 'setListener',
    method: 'PUT',
    path: '/api/listeners/{listener}',
    scope: 'admin',
    tag: 'gateway',
    summary: 'Add or replace a listener',
    description: WHEN_DONE,
    json: changeBody(listener),
    answer: { kind: 'json', status: 200, schema: done },
    handle: (cloud, { path, body, caller }) =>
      cloud.setListener(path('listener'), changeOf(body), caller.name),
  }),
  defineOperation({
    id: 'removeListener',
    method: 'DELETE',
    path: '/api/listeners/{listener}',
    scope: 'admin',
    tag: 'gateway',
    summary: 'Remove a listener',
    description: WHEN_DONE,
    answer: { kind: 'json', status: 200, schema: done },
    handle: (cloud, { path, caller }) => cloud.removeListener(path('listener'), caller.name),
  }),
];
