/** Strict check of what a route chooses about its cache. */
import { ConfigError } from '../base/errors.ts';
import {
  array,
  boolean,
  integer,
  literal,
  numberBetween,
  object,
  optional,
  record,
  type Schema,
  string,
} from '../base/schema.ts';
import type { BypassRule, QueryRule } from '../cache/cache.ts';
import type { RouteCacheConfig } from './config.ts';

/** Ten years. */
const SECONDS_MAX = 315_360_000;
const NAMES_MAX = 100;
/** Each of them is compared for each request, and is part of what is stored. */
const KEY_FIELDS_MAX = 16;

const seconds = integer({ min: 0, max: SECONDS_MAX });
const fieldName = string({
  pattern: /^[!#$%&'*+.^_`|~0-9a-z-]{1,100}$/,
  patternMeans: 'the name of a field in lower case',
});
const cookieName = string({
  pattern: /^[!#$%&'+.^_`|~0-9A-Za-z-]{1,100}\*?$/,
  patternMeans: 'the name of a cookie, or its beginning with * at the end',
});
const keyField = string({
  pattern: /^(?:cookie:[!#$%&'+.^_`|~0-9A-Za-z-]{1,100}|[!#$%&'+.^_`|~0-9a-z-]{1,100})$/,
  patternMeans: 'the name of a field in lower case or of a cookie, without *',
});
const parameter = string({
  pattern: /^[^\s&=#*]{1,200}\*?$/,
  patternMeans: 'the name of a parameter, or its beginning with * at the end',
});
const parameters = array(parameter, { itemsMax: NAMES_MAX });

const bypass: Schema<BypassRule> = object({
  headers: array(fieldName, { itemsMax: NAMES_MAX }),
  cookies: array(cookieName, { itemsMax: NAMES_MAX }),
});

const without: Schema<QueryRule> = object({ without: parameters });
const only: Schema<QueryRule> = object({ only: parameters });
const whole: Schema<QueryRule> = literal('whole', 'none');

const query: Schema<QueryRule> = {
  decode(value, path) {
    if (typeof value !== 'object' || value === null) return whole.decode(value, path);
    return ('only' in value ? only : without).decode(value, path);
  },
  json: { oneOf: [whole.json, without.json, only.json] },
};

const ttl = record(seconds, {
  key: /^(?:usual|[2-5](?:\d\d|xx))$/,
  keyMeans: 'a status such as 404 or 4xx',
});

const fields: Schema<RouteCacheConfig> = object({
  generation: optional(
    string({
      pattern: /^[\x21-\x7e]{1,200}$/,
      patternMeans: '1 to 200 printable characters without spaces',
    }),
  ),
  heuristicShare: optional(numberBetween(0, 1)),
  heuristicMaxS: optional(seconds),
  negativeS: optional(seconds),
  ttlS: optional(ttl),
  ttlMinS: optional(seconds),
  ttlMaxS: optional(seconds),
  query: optional(query),
  keyFields: optional(array(keyField, { itemsMax: KEY_FIELDS_MAX })),
  bypass: optional(bypass),
  staleUnreachableS: optional(seconds),
  requestDirectives: optional(boolean()),
  setCookie: optional(literal('public', 'always')),
});

export const routeCacheSchema: Schema<RouteCacheConfig> = {
  ...fields,
  decode(value, path) {
    const decoded = fields.decode(value, path);
    const { ttlMinS = 0, ttlMaxS = Infinity } = decoded;
    if (ttlMinS <= ttlMaxS) return decoded;
    const key = `${path}.ttlMinS`;
    throw new ConfigError(key, `Key "${key}" is ${ttlMinS} s, more than "ttlMax" of ${ttlMaxS} s`);
  },
};
