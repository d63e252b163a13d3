/** Shapes of purges, for whoever takes them in: gateway processes, the registry's records, the API. */
import {
  array,
  boolean,
  integer,
  literal,
  object,
  string,
  union,
  type Schema,
} from '../base/schema.ts';
import type { PurgeOrders, PurgeTarget } from './gateway-question.ts';
import { askedUrl } from './asked-url.ts';

/** In one request. */
export const PURGE_TARGETS_MAX = 100;
/** Orders that are remembered for those who are away. */
export const PURGE_ORDERS_MAX = 200;
const URL_CHARACTERS_MAX = 2048;
const NAME_CHARACTERS_MAX = 256;

const text = string({ lengthMax: URL_CHARACTERS_MAX });
/** What no request could have is refused here, so that a purge never does nothing by mistake. */
const url: Schema<string> = {
  ...text,
  decode(value, path) {
    const decoded = text.decode(value, path);
    askedUrl(decoded);
    return decoded;
  },
};
const name = string({
  lengthMax: NAME_CHARACTERS_MAX,
  pattern: /^[\x21-\x7e]+$/,
  patternMeans: 'printable characters without spaces',
});

export const purgeTargetSchema: Schema<PurgeTarget> = union<PurgeTarget, 'kind'>('kind', {
  url: object({ kind: literal('url'), url }),
  prefix: object({ kind: literal('prefix'), url }),
  tag: object({ kind: literal('tag'), tag: name }),
  route: object({ kind: literal('route'), route: name }),
  all: object({ kind: literal('all') }),
});

const number = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

export const purgeOrdersSchema: Schema<PurgeOrders> = object({
  floor: number,
  orders: array(
    object({
      number,
      targets: array(purgeTargetSchema, { itemsMax: PURGE_TARGETS_MAX }),
      soft: boolean(),
    }),
    { itemsMax: PURGE_ORDERS_MAX },
  ),
});
