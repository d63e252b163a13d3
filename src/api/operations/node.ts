/** Operations on the node and the cluster: status, samples, metrics, shutdown. */
import { array } from '../../base/schema.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { liveSampleSchema, statusSchema } from '../schemas.ts';

const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';

export const nodeOperations: readonly Operation[] = [
  defineOperation({
    id: 'getHealth',
    method: 'GET',
    path: '/healthz',
    scope: 'public',
    tag: 'node',
    summary: 'Whether this node answers',
    description: 'Says "ok" as soon as the API listens. Meant for load balancers and watchdogs.',
    answer: { kind: 'text', contentType: 'text/plain; charset=utf-8' },
    handle: () => Promise.resolve('ok\n'),
  }),
  defineOperation({
    id: 'getMetrics',
    method: 'GET',
    path: '/metrics',
    scope: 'read',
    tag: 'node',
    summary: 'All figures as Prometheus text',
    description: 'Exposition format 0.0.4, of the agent and its gateway processes together.',
    answer: { kind: 'text', contentType: PROMETHEUS_TEXT },
    handle: (cloud) => cloud.metricsText(),
  }),
  defineOperation({
    id: 'getStatus',
    method: 'GET',
    path: '/api/status',
    scope: 'read',
    tag: 'node',
    summary: 'The whole cluster at a glance',
    description: 'One plain sentence, then nodes, apps, gateway, registry and background work.',
    answer: { kind: 'json', status: 200, schema: statusSchema },
    handle: (cloud) => cloud.status(),
  }),
  defineOperation({
    id: 'getHistory',
    method: 'GET',
    path: '/api/history',
    scope: 'read',
    tag: 'node',
    summary: 'The last ten minutes of figures',
    description: 'At most 600 samples, one a second, oldest first.',
    answer: { kind: 'json', status: 200, schema: array(liveSampleSchema) },
    handle: (cloud) => cloud.history(),
  }),
  defineOperation({
    id: 'followFigures',
    method: 'GET',
    path: '/api/live',
    scope: 'read',
    tag: 'node',
    summary: 'Figures as they happen',
    description: 'One sample a second until the client leaves.',
    answer: {
      kind: 'ndjson',
      item: liveSampleSchema,
      whenClientLeaves: 'abort',
      lateFailure: 'error',
    },
    handle: (cloud, { signal }) => cloud.live(signal),
  }),
  defineOperation({
    id: 'shutDown',
    method: 'POST',
    path: '/api/shutdown',
    scope: 'admin',
    tag: 'node',
    summary: 'Stop this node',
    description: 'Answers first, then stops the instances, the gateway and the agent of this node.',
    answer: { kind: 'empty' },
    handle: (cloud) => cloud.shutdown(),
  }),
];
