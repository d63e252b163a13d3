/** The part of a route in a gateway's file that is about who is let in, and about requests and answers on their way. */
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  record,
  type Schema,
  string,
} from '../base/schema.ts';
import { duration, filePath, oneOrMore, size } from './values.ts';

const PAGE_CHARACTERS_MAX: number = 64 * 1024;
const EDGE_CHARACTERS_MAX: number = 256 * 1024;

export interface WrittenFieldRules {
  readonly set?: Readonly<Record<string, string>>;
  readonly add?: Readonly<Record<string, string>>;
  readonly remove?: readonly string[];
}

/** Times in milliseconds, sizes in bytes. What each means is in the gateway's `site-config.ts`. */
export interface WrittenSite {
  readonly headers?: {
    readonly request?: WrittenFieldRules;
    readonly response?: WrittenFieldRules;
  };
  readonly rewrite?: {
    readonly strip?: string;
    readonly prefix?: string;
    readonly from?: string;
    readonly to?: string;
  };
  readonly compress?: boolean | WrittenCompress;
  readonly errors?: WrittenErrors;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly trust?: readonly string[];
  readonly rate?: {
    readonly by?: string;
    readonly scope?: 'node' | 'cluster';
    readonly requests: number;
    readonly per: number;
    readonly burst?: number;
  };
  readonly cors?: {
    readonly origins: readonly string[];
    readonly methods?: readonly string[];
    readonly headers?: readonly string[];
    readonly expose?: readonly string[];
    readonly credentials?: boolean;
    readonly maxAge?: number;
  };
  /** `users`: `NAME:HASH` a line, or the path of a file of such lines. */
  readonly auth?: {
    readonly basic: { readonly realm: string; readonly users: string | readonly string[] };
  };
  readonly buffer?: number;
  /** The path of a module, or what would be in it. */
  readonly edge?: string | WrittenEdge;
}

export interface WrittenErrors {
  /** Status or class to a page, or to the path of one. */
  readonly pages: Readonly<Record<string, string | { readonly html: string }>>;
  /** Statuses of upstreams' answers in whose place they are sent; `true`: all that have one. */
  readonly upstream: true | readonly string[] | undefined;
}

/** One of `file` and `code`. */
export interface WrittenEdge {
  readonly file?: string;
  readonly code?: string;
  readonly timeout?: number;
}

export interface WrittenCompress {
  readonly codings?: readonly ('br' | 'zstd' | 'gzip')[];
  readonly types?: readonly string[];
  readonly min?: number;
}

const fieldRules: Schema<WrittenFieldRules> = object({
  set: optional(record(string())),
  add: optional(record(string())),
  remove: optional(oneOrMore(string())),
});

const compressChosen: Schema<WrittenCompress> = object({
  codings: optional(array(literal('br', 'zstd', 'gzip'), { itemsMax: 3 })),
  types: optional(oneOrMore(string())),
  min: optional(size),
});

const compress: Schema<boolean | WrittenCompress> = {
  decode: (value, path) =>
    typeof value === 'boolean' ? value : compressChosen.decode(value, path),
  json: { oneOf: [{ type: 'boolean' }, compressChosen.json] },
};

/** Of a file, or what would be in it. */
function pathOr<T>(inline: Schema<T>): Schema<string | T> {
  return {
    decode: (value, path) =>
      typeof value === 'string' ? filePath.decode(value, path) : inline.decode(value, path),
    json: { oneOf: [filePath.json, inline.json] },
  };
}

const page = pathOr(object({ html: string({ lengthMax: PAGE_CHARACTERS_MAX }) }));
const pages = record(page);
const statuses = oneOrMore<string>({
  decode: (value, path) => string().decode(typeof value === 'number' ? String(value) : value, path),
  json: { type: ['string', 'integer'] },
});
const whose: Schema<true | readonly string[] | undefined> = {
  decode: (value, path) => {
    if (value === undefined || value === false) return undefined;
    return value === true ? true : statuses.decode(value, path);
  },
  json: { oneOf: [{ type: 'boolean' }, statuses.json] },
};

/** Pages by status, and `upstream` beside them. */
const errors: Schema<WrittenErrors> = {
  decode(value, path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return { pages: pages.decode(value, path), upstream: undefined };
    }
    const { upstream, ...rest } = value as Readonly<Record<string, unknown>>;
    return {
      pages: pages.decode(rest, path),
      upstream: whose.decode(upstream, `${path}.upstream`),
    };
  },
  json: { type: 'object', properties: { upstream: whose.json }, additionalProperties: page.json },
};

type Optional<T> = Schema<T | undefined> & { readonly optional: true };

export const SITE_FIELDS: { readonly [K in keyof WrittenSite]-?: Optional<WrittenSite[K]> } = {
  headers: optional(object({ request: optional(fieldRules), response: optional(fieldRules) })),
  rewrite: optional(
    object({
      strip: optional(string()),
      prefix: optional(string()),
      from: optional(string()),
      to: optional(string()),
    }),
  ),
  compress: optional(compress),
  errors: optional(errors),
  allow: optional(oneOrMore(string())),
  deny: optional(oneOrMore(string())),
  trust: optional(oneOrMore(string())),
  rate: optional(
    object({
      by: optional(string()),
      scope: optional(literal('node', 'cluster')),
      requests: integer({ min: 1, max: 1_000_000 }),
      per: duration,
      burst: optional(integer({ min: 1, max: 1_000_000 })),
    }),
  ),
  cors: optional(
    object({
      origins: oneOrMore(string()),
      methods: optional(oneOrMore(string())),
      headers: optional(oneOrMore(string())),
      expose: optional(oneOrMore(string())),
      credentials: optional(boolean()),
      maxAge: optional(duration),
    }),
  ),
  auth: optional(
    object({
      basic: object({ realm: string(), users: pathOr(array(string({ lengthMax: 1024 }))) }),
    }),
  ),
  buffer: optional(size),
  edge: optional(
    pathOr(
      object({
        file: optional(filePath),
        code: optional(string({ lengthMax: EDGE_CHARACTERS_MAX })),
        timeout: optional(duration),
      }),
    ),
  ),
};
