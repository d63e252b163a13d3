/** Shapes of what the API says about the nodes together. */
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  type Schema,
  string,
} from '../base/schema.ts';
import type {
  EventDetail,
  InviteDetail,
  ManagerStatus,
  RegionDetail,
  SlotDetail,
} from './model.ts';
import type { Wire } from './wire.ts';

const text = string();
const texts = array(text);
const count = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const time = integer({
  min: 0,
  max: Number.MAX_SAFE_INTEGER,
  description: 'Milliseconds since the epoch',
});

export const inviteDetailSchema: Schema<Wire<InviteDetail>> = object({
  id: text,
  role: literal('worker', 'manager'),
  region: optional(text),
  createdAt: time,
  expiresAt: time,
  uses: count,
  usesLeft: count,
});

export const regionDetailSchema: Schema<Wire<RegionDetail>> = object({
  name: text,
  nodes: texts,
  ready: count,
});

export const managerStatusSchema: Schema<Wire<ManagerStatus>> = object({
  sentence: text,
  engine: text,
  isLive: boolean(),
  leader: optional(text),
  leaderWhy: text,
  managers: texts,
  mode: literal('automatic', 'pinned'),
  standby: optional(object({ node: text, isInSync: boolean() })),
  endpoints: texts,
});

export const eventDetailSchema: Schema<Wire<EventDetail>> = object({
  id: text,
  at: time,
  kind: text,
  text,
  node: optional(text),
  app: optional(text),
});

export const slotDetailSchema: Schema<Wire<SlotDetail>> = object({
  process: text,
  slot: count,
  node: optional(text),
  leaving: optional(text),
  reason: text,
});
