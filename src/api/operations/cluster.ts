/** Operations on the nodes together: invites, nodes, managers, events. */
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  record,
  string,
} from '../../base/schema.ts';
import { defineOperation, type Operation } from '../operation.ts';
import {
  eventDetailSchema,
  inviteDetailSchema,
  managerStatusSchema,
  regionDetailSchema,
  slotDetailSchema,
} from '../cluster-schemas.ts';
import { nodeDetailSchema } from '../schemas.ts';

const INVITE_TTL_MS_MAX: number = 365 * 24 * 3600 * 1000;
const USES_MAX = 1000;
const NAMES_MAX = 100;
const NODE_PATH = '/api/nodes/{node}';

const inviteRequest = object({
  role: optional(literal('worker', 'manager')),
  region: optional(string({ lengthMax: 63 })),
  ttlMs: optional(integer({ min: 1, max: INVITE_TTL_MS_MAX })),
  uses: optional(integer({ min: 1, max: USES_MAX })),
});

const labelRequest = object({
  set: optional(record(string({ lengthMax: 255 }))),
  unset: optional(array(string({ lengthMax: 63 }), { itemsMax: NAMES_MAX })),
});

const managersRequest = object({
  automatic: optional(boolean()),
  names: optional(array(string({ lengthMax: 63 }), { itemsMax: NAMES_MAX })),
});

const takeoverRequest = object({ force: optional(boolean()) });

export const clusterOperations: readonly Operation[] = [
  defineOperation({
    id: 'createInvite',
    method: 'POST',
    path: '/api/invites',
    scope: 'admin',
    tag: 'node',
    summary: 'Make an invite for another machine',
    description: 'The line for "moln join" is in this answer and can never be seen again.',
    json: inviteRequest,
    answer: {
      kind: 'json',
      status: 201,
      schema: object({ invite: string(), detail: inviteDetailSchema }),
    },
    handle: (cloud, { body }) =>
      cloud.createInvite({
        role: body.role,
        region: body.region,
        ttlMs: body.ttlMs,
        uses: body.uses,
      }),
  }),
  defineOperation({
    id: 'listInvites',
    method: 'GET',
    path: '/api/invites',
    scope: 'admin',
    tag: 'node',
    summary: 'All invites, without their secrets',
    description: 'Ended ones stay for a day.',
    answer: { kind: 'json', status: 200, schema: array(inviteDetailSchema) },
    handle: (cloud) => cloud.listInvites(),
  }),
  defineOperation({
    id: 'revokeInvite',
    method: 'DELETE',
    path: '/api/invites/{id}',
    scope: 'admin',
    tag: 'node',
    summary: 'Revoke an invite',
    description: 'Nobody joins with it from now on.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.revokeInvite(path('id')),
  }),
  defineOperation({
    id: 'listNodes',
    method: 'GET',
    path: '/api/nodes',
    scope: 'read',
    tag: 'node',
    summary: 'All nodes',
    description: 'Oldest first; one that does not answer is shown as it was last seen.',
    answer: { kind: 'json', status: 200, schema: array(nodeDetailSchema) },
    handle: (cloud) => cloud.listNodes(),
  }),
  defineOperation({
    id: 'showNode',
    method: 'GET',
    path: NODE_PATH,
    scope: 'read',
    tag: 'node',
    summary: 'One node',
    description: 'Its state and why, its figures, and what runs on it.',
    answer: { kind: 'json', status: 200, schema: nodeDetailSchema },
    handle: (cloud, { path }) => cloud.showNode(path('node')),
  }),
  defineOperation({
    id: 'drainNode',
    method: 'POST',
    path: `${NODE_PATH}/drain`,
    scope: 'admin',
    tag: 'node',
    summary: 'Move everything off a node',
    description: 'Its instances are started elsewhere before they stop; nothing new comes.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.drainNode(path('node')),
  }),
  defineOperation({
    id: 'undrainNode',
    method: 'POST',
    path: `${NODE_PATH}/undrain`,
    scope: 'admin',
    tag: 'node',
    summary: 'Use a drained node again',
    description: 'Nothing moves back by itself; what is placed next may come here.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.undrainNode(path('node')),
  }),
  defineOperation({
    id: 'forgetNode',
    method: 'DELETE',
    path: NODE_PATH,
    scope: 'admin',
    tag: 'node',
    summary: 'Remove a node for good',
    description: 'Its certificate is refused from now on; the machine would have to join anew.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.forgetNode(path('node')),
  }),
  defineOperation({
    id: 'labelNode',
    method: 'PATCH',
    path: `${NODE_PATH}/labels`,
    scope: 'admin',
    tag: 'node',
    summary: 'Change the labels of a node',
    description: 'Apps that want a label are placed by it.',
    json: labelRequest,
    answer: { kind: 'empty' },
    handle: (cloud, { path, body }) =>
      cloud.labelNode(path('node'), { set: body.set ?? {}, unset: body.unset ?? [] }),
  }),
  defineOperation({
    id: 'listRegions',
    method: 'GET',
    path: '/api/regions',
    scope: 'read',
    tag: 'node',
    summary: 'All regions',
    description: 'With their nodes.',
    answer: { kind: 'json', status: 200, schema: array(regionDetailSchema) },
    handle: (cloud) => cloud.regions(),
  }),
  defineOperation({
    id: 'showManager',
    method: 'GET',
    path: '/api/manager',
    scope: 'read',
    tag: 'node',
    summary: 'Who holds the registry and who leads',
    description: 'With the reason, and what the loss of a machine would mean.',
    answer: { kind: 'json', status: 200, schema: managerStatusSchema },
    handle: (cloud) => cloud.manager(),
  }),
  defineOperation({
    id: 'setManagers',
    method: 'PUT',
    path: '/api/manager',
    scope: 'admin',
    tag: 'node',
    summary: 'Choose the managers',
    description:
      'By name, or automatic: one of one or two nodes, three from three on, five from seven on.',
    json: managersRequest,
    answer: { kind: 'empty' },
    handle: (cloud, { body }) =>
      cloud.setManagers(body.automatic === true ? undefined : (body.names ?? [])),
  }),
  defineOperation({
    id: 'takeOver',
    method: 'POST',
    path: '/api/manager/takeover',
    scope: 'admin',
    tag: 'node',
    summary: 'Let this node take the registry over',
    description:
      'Only where the machine that held it is gone for good, which nobody but a person can know.',
    json: takeoverRequest,
    answer: { kind: 'empty' },
    handle: (cloud, { body }) => cloud.takeover({ force: body.force === true }),
  }),
  defineOperation({
    id: 'listEvents',
    method: 'GET',
    path: '/api/events',
    scope: 'read',
    tag: 'node',
    summary: 'What happened',
    description: 'The last thousand events, newest last.',
    answer: { kind: 'json', status: 200, schema: array(eventDetailSchema) },
    handle: (cloud) => cloud.listEvents(),
  }),
  defineOperation({
    id: 'followEvents',
    method: 'GET',
    path: '/api/events/follow',
    scope: 'read',
    tag: 'node',
    summary: 'Events as they happen',
    description: 'Those from now on, until the client leaves.',
    answer: {
      kind: 'ndjson',
      item: eventDetailSchema,
      whenClientLeaves: 'abort',
      lateFailure: 'error',
    },
    handle: (cloud, { signal }) => cloud.followEvents(signal),
  }),
  defineOperation({
    id: 'whyApp',
    method: 'GET',
    path: '/api/apps/{app}/why',
    scope: 'read',
    tag: 'apps',
    summary: 'Why the instances are where they are',
    description: 'One entry for each wished instance.',
    answer: { kind: 'json', status: 200, schema: array(slotDetailSchema) },
    handle: (cloud, { path }) => cloud.whyApp(path('app')),
  }),
];
