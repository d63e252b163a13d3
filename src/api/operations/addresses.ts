/** Operations on virtual addresses: they decide where clients find the gateways, so changes need `admin`. */
import { array, integer, object, optional, type Schema, string } from '../../base/schema.ts';
import type { AddressRow } from '../address-model.ts';
import { defineOperation, type Operation } from '../operation.ts';
import type { Wire } from '../wire.ts';

const text = string();
const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER, description: 'Epoch milliseconds' });

const row: Schema<Wire<AddressRow>> = object({
  address: text,
  prefix: optional(integer({ min: 1, max: 128 })),
  interface: optional(text),
  nodes: array(text),
  addedAt: time,
  by: text,
  sentence: text,
  holder: optional(object({ node: text, since: time, why: text })),
  unable: array(object({ node: text, why: text })),
});

const request = object({
  address: string({ lengthMax: 64, description: '192.168.1.50 or 192.168.1.50/24' }),
  interface: optional(string({ description: 'Default: the one in whose network it is' })),
  nodes: optional(array(text, { itemsMax: 1000 })),
});

export const addressOperations: readonly Operation[] = [
  defineOperation({
    id: 'listAddresses',
    method: 'GET',
    path: '/api/addresses',
    scope: 'read',
    tag: 'gateway',
    summary: 'Virtual addresses',
    description: 'Who holds each and why, and which nodes cannot.',
    answer: { kind: 'json', status: 200, schema: array(row) },
    handle: (cloud) => cloud.listAddresses(),
  }),
  defineOperation({
    id: 'addAddress',
    method: 'POST',
    path: '/api/addresses',
    scope: 'admin',
    tag: 'gateway',
    summary: 'Add a virtual address',
    description: 'Answers when a node holds it. Refused when another machine answers for it.',
    json: request,
    answer: { kind: 'json', status: 201, schema: row },
    handle: (cloud, { body, caller }) =>
      cloud.addAddress({ ...body, nodes: body.nodes ?? [] }, caller.name),
  }),
  defineOperation({
    id: 'removeAddress',
    method: 'DELETE',
    path: '/api/addresses/{address}',
    scope: 'admin',
    tag: 'gateway',
    summary: 'Remove a virtual address',
    description: 'Answers when no node holds it any more.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.removeAddress(path('address')),
  }),
];
