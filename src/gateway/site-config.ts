/** What a route may want around its target: who is let in, what is changed about requests and answers. Plain data. */

export interface SiteConfig {
  readonly headers?: HeaderRulesConfig;
  /** Only before upstreams: what is asked of them instead. */
  readonly rewrite?: RewriteConfig;
  readonly compress?: CompressConfig;
  /** Pages for people in place of the gateway's own, by status or class. */
  readonly errors?: readonly ErrorPageConfig[];
  /** Statuses or classes of upstreams' answers, stored ones too, in whose place these pages are sent; none unless said. */
  readonly errorsOfUpstreams?: readonly string[];
  readonly access?: AccessConfig;
  readonly rate?: RateConfig;
  readonly cors?: CorsConfig;
  readonly auth?: BasicAuthConfig;
  readonly edge?: EdgeConfig;
  /** Bodies of requests up to this size are complete before an upstream is asked. */
  readonly bufferBytes?: number;
}

/** Fields by name. First `remove`, then `set` (in place of what is there), then `add`. */
export interface FieldRulesConfig {
  readonly set?: Readonly<Record<string, string>>;
  readonly add?: Readonly<Record<string, string>>;
  readonly remove?: readonly string[];
}

export interface HeaderRulesConfig {
  readonly request?: FieldRulesConfig;
  /** Of every final answer of the route, whoever gives it. */
  readonly response?: FieldRulesConfig;
}

/** `strip` and `prefix`, or `from` and `to`; see `path-pattern.ts`. */
export interface RewriteConfig {
  readonly strip?: string;
  readonly prefix?: string;
  readonly from?: string;
  readonly to?: string;
}

export type CompressCoding = 'br' | 'zstd' | 'gzip';

export interface CompressConfig {
  /** Best first; all three unless said. */
  readonly codings?: readonly CompressCoding[];
  /** `text/html`, `text/*`; what usually shrinks unless said. */
  readonly types?: readonly string[];
  readonly bytesMin?: number;
}

export interface ErrorPageConfig {
  /** `404`, `5xx`. */
  readonly status: string;
  readonly html: string;
}

/** Addresses and networks, `10.0.0.0/8`. */
export interface AccessConfig {
  /** When there is one, nobody else is let in. */
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  /** Proxies in front of the gateway, whose word about the client counts. */
  readonly trust?: readonly string[];
}

export interface RateConfig {
  /** Who counts together: the processes of each node, unless said, or all of the cluster. */
  readonly scope?: 'node' | 'cluster';
  /** A field's name in lower case; the client's address unless said. */
  readonly header?: string;
  readonly requests: number;
  readonly perMs: number;
  /** At once, after a rest; as many as `requests` unless said. */
  readonly burst?: number;
}

export interface CorsConfig {
  /** `https://a.example`, or `*` for any. */
  readonly origins: readonly string[];
  readonly methods?: readonly string[];
  readonly headers?: readonly string[];
  readonly expose?: readonly string[];
  readonly credentials?: boolean;
  readonly maxAgeS?: number;
}

export interface BasicAuthConfig {
  readonly realm: string;
  readonly users: readonly UserConfig[];
}

/** `hash` as in the formats of `password-hash.ts`. */
export interface UserConfig {
  readonly name: string;
  readonly hash: string;
}

/** A module that sees each request before its target does, and may answer it. */
export interface EdgeConfig {
  /** JavaScript: a module that exports `(request: Request, { client }) => Response | Request | undefined` as default. */
  readonly source: string;
  readonly timeoutMs: number;
}
