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
import { duration, filePath, oneOrMore, size } from './file-values.ts';

export interface FileFieldRules {
  readonly set?: Readonly<Record<string, string>>;
  readonly add?: Readonly<Record<string, string>>;
  readonly remove?: readonly string[];
}

/** Times in milliseconds, sizes in bytes. What each means is in the gateway's `site-config.ts`. */
export interface FileSite {
  readonly headers?: { readonly request?: FileFieldRules; readonly response?: FileFieldRules };
  readonly rewrite?: {
    readonly strip?: string;
    readonly prefix?: string;
    readonly from?: string;
    readonly to?: string;
  };
  readonly compress?: boolean | FileCompress;
  /** Status or class to the path of a page. */
  readonly errors?: Readonly<Record<string, string>>;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly trust?: readonly string[];
  readonly rate?: {
    readonly by?: string;
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
  readonly auth?: { readonly basic: { readonly realm: string; readonly users: string } };
  readonly buffer?: number;
}

export interface FileCompress {
  readonly codings?: readonly ('br' | 'zstd' | 'gzip')[];
  readonly types?: readonly string[];
  readonly min?: number;
}

const fieldRules: Schema<FileFieldRules> = object({
  set: optional(record(string())),
  add: optional(record(string())),
  remove: optional(oneOrMore(string())),
});

const compressChosen: Schema<FileCompress> = object({
  codings: optional(array(literal('br', 'zstd', 'gzip'), { itemsMax: 3 })),
  types: optional(oneOrMore(string())),
  min: optional(size),
});

const compress: Schema<boolean | FileCompress> = {
  decode: (value, path) =>
    typeof value === 'boolean' ? value : compressChosen.decode(value, path),
  json: { oneOf: [{ type: 'boolean' }, compressChosen.json] },
};

type Optional<T> = Schema<T | undefined> & { readonly optional: true };

export const SITE_FIELDS: { readonly [K in keyof FileSite]-?: Optional<FileSite[K]> } = {
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
  errors: optional(record(filePath)),
  allow: optional(oneOrMore(string())),
  deny: optional(oneOrMore(string())),
  trust: optional(oneOrMore(string())),
  rate: optional(
    object({
      by: optional(string()),
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
  auth: optional(object({ basic: object({ realm: string(), users: filePath }) })),
  buffer: optional(size),
};
