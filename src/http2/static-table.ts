/** RFC 7541 appendix A. */
import { Field } from './field.ts';

const ROWS: readonly (readonly [name: string, value?: string])[] = [
  [':authority'],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset'],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language'],
  ['accept-ranges'],
  ['accept'],
  ['access-control-allow-origin'],
  ['age'],
  ['allow'],
  ['authorization'],
  ['cache-control'],
  ['content-disposition'],
  ['content-encoding'],
  ['content-language'],
  ['content-length'],
  ['content-location'],
  ['content-range'],
  ['content-type'],
  ['cookie'],
  ['date'],
  ['etag'],
  ['expect'],
  ['expires'],
  ['from'],
  ['host'],
  ['if-match'],
  ['if-modified-since'],
  ['if-none-match'],
  ['if-range'],
  ['if-unmodified-since'],
  ['last-modified'],
  ['link'],
  ['location'],
  ['max-forwards'],
  ['proxy-authenticate'],
  ['proxy-authorization'],
  ['range'],
  ['referer'],
  ['refresh'],
  ['retry-after'],
  ['server'],
  ['set-cookie'],
  ['strict-transport-security'],
  ['transfer-encoding'],
  ['user-agent'],
  ['vary'],
  ['via'],
  ['www-authenticate'],
];

/** By index; there is none at 0. */
export const STATIC_FIELDS: readonly Field[] = [
  new Field('', ''),
  ...ROWS.map(([name, value = '']) => new Field(name, value)),
];

/** First index of a table of one's own. */
export const DYNAMIC_FROM: number = STATIC_FIELDS.length;

/** Lowest index of each name. */
export const STATIC_NAMES: ReadonlyMap<string, number> = new Map(
  STATIC_FIELDS.map(({ name }, index) => [name, index] as const).reverse(),
);

/** Index of each field that has a value, by its key. */
export const STATIC_KEYS: ReadonlyMap<string, number> = new Map(
  STATIC_FIELDS.map(({ key }, index) => [key, index] as const).slice(1),
);

/** RFC 7541 4.2; SETTINGS_HEADER_TABLE_SIZE of a peer that says nothing. */
export const TABLE_BYTES_DEFAULT = 4096;
