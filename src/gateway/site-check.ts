/** Strict check of what a route wants around its target. What goes into a head can neither end a line nor change framing. */
import { ConfigError } from '../base/errors.ts';
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  record,
  string,
  type Schema,
} from '../base/schema.ts';
import { EDGE } from './limits.ts';
import { isAddressRange } from '../net/net.ts';
import { parseHost } from '../http/host.ts';
import { isChangeable, isHost } from './field-rules.ts';
import { patternMistake, PathPattern, variablesOf } from './path-pattern.ts';
import { locationMistake, REDIRECT_VARIABLES, type RedirectTarget } from './redirect.ts';
import type {
  AccessConfig,
  BasicAuthConfig,
  CompressConfig,
  CorsConfig,
  ErrorPageConfig,
  FieldRulesConfig,
  HeaderRulesConfig,
  RateConfig,
  RewriteConfig,
  SiteConfig,
} from './site-config.ts';
import { hashMistake } from './password-hash.ts';

const RULES_MAX = 100;
const NETWORKS_MAX = 10_000;
const USERS_MAX = 10_000;
const PAGE_CHARACTERS_MAX = 1024 * 1024;
const BUFFER_BYTES_MAX = 64 * 1024 * 1024;
const RATE_MAX = 1_000_000;
const DAY_MS = 86_400_000;
const CORS_AGE_S_MAX = 86_400;

/** A schema whose value must also pass `mistakeIn`, which says what is wanted instead. */
function checked<T>(inner: Schema<T>, mistakeIn: (value: T) => string | undefined): Schema<T> {
  return {
    ...inner,
    decode(value, path) {
      const decoded = inner.decode(value, path);
      const mistake = mistakeIn(decoded);
      if (mistake === undefined) return decoded;
      throw new ConfigError(path, `Key "${path}" is ${JSON.stringify(value)}, ${mistake}`);
    },
  };
}

const fieldName = string({
  pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/,
  patternMeans: 'the name of a field',
});
const changeableName = checked(fieldName, (name) =>
  isChangeable(name) ? undefined : 'which no rule may change: it is the gateway that says it',
);
const fieldValue = string({
  pattern: /^(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?$/,
  patternMeans: 'printable ASCII on one line',
  lengthMax: 4096,
});

const values: Schema<Readonly<Record<string, string>>> = (() => {
  const inner = record(fieldValue);
  return {
    ...inner,
    decode(value, path) {
      const decoded = inner.decode(value, path);
      for (const name of Object.keys(decoded)) changeableName.decode(name, `${path}.${name}`);
      return decoded;
    },
  };
})();

const fieldRules: Schema<FieldRulesConfig> = object({
  set: optional(values),
  add: optional(values),
  remove: optional(array(changeableName, { itemsMax: RULES_MAX })),
});

/** An upstream may have to be told another host than the client's. */
const requestValues: Schema<Readonly<Record<string, string>>> = {
  ...values,
  decode(value, path) {
    const decoded = record(fieldValue).decode(value, path);
    const hosts = Object.keys(decoded).filter(isHost);
    for (const name of hosts) hostValue.decode(decoded[name], `${path}.${name}`);
    if (hosts.length > 1) throw new ConfigError(path, `Key "${path}" has "Host" twice`);
    const others = Object.entries(decoded).filter(([name]) => !isHost(name));
    values.decode(Object.fromEntries(others), path);
    return decoded;
  },
};
const hostValue = checked(string({ lengthMax: 300 }), (text) =>
  parseHost(text) === undefined ? 'want a host, with a port if it needs one' : undefined,
);

const headers: Schema<HeaderRulesConfig> = object({
  request: optional(
    object({
      set: optional(requestValues),
      add: optional(values),
      remove: optional(array(changeableName, { itemsMax: RULES_MAX })),
    }),
  ),
  response: optional(fieldRules),
});

const plainPath = string({
  pattern: /^\/[\x21-\x22\x24-\x3e\x40-\x7e]*$/,
  patternMeans: 'a path without spaces, ? or #',
  lengthMax: 1024,
});
export const pathPattern: Schema<string> = checked(string({ lengthMax: 1024 }), patternMistake);
const newTarget = string({
  pattern: /^\/[\x21-\x22\x24-\x7e]*$/,
  patternMeans: 'a path without spaces or #',
  lengthMax: 4096,
});

const rewrite: Schema<RewriteConfig> = checked(
  object({
    strip: optional(plainPath),
    prefix: optional(plainPath),
    from: optional(pathPattern),
    to: optional(newTarget),
  }),
  ({ strip, prefix, from, to }) => {
    const changes = strip !== undefined || prefix !== undefined;
    const matches = from !== undefined || to !== undefined;
    if (changes === matches) return 'want "strip" and "prefix", or "from" and "to"';
    if (!matches) return undefined;
    if (from === undefined || to === undefined) return 'want both "from" and "to"';
    return variableMistake(to, new PathPattern(from).names);
  },
);

function variableMistake(text: string, known: readonly string[]): string | undefined {
  const names = variablesOf(text);
  if (names === undefined) return 'want $$ for a dollar sign';
  const strange = names.find((name) => !known.includes(name));
  if (strange === undefined) return undefined;
  return `which has no "$${strange}", known here: ${known.map((name) => `$${name}`).join(', ')}`;
}

/** `path` is the target's. */
export function checkRedirect({ location, from }: RedirectTarget, path: string): void {
  const captured = from === undefined ? [] : new PathPattern(from).names;
  const mistake =
    variableMistake(location, [...captured, ...REDIRECT_VARIABLES]) ?? locationMistake(location);
  if (mistake === undefined) return;
  throw new ConfigError(`${path}.location`, `Key "${path}.location" is "${location}", ${mistake}`);
}

const compress: Schema<CompressConfig> = object({
  codings: optional(array(literal('br', 'zstd', 'gzip'), { itemsMax: 3 })),
  types: optional(
    array(
      string({
        pattern: /^[a-z0-9.+-]+\/[a-z0-9.+*-]+$/,
        patternMeans: 'a media type such as text/html or text/*',
        lengthMax: 100,
      }),
      { itemsMax: RULES_MAX },
    ),
  ),
  bytesMin: optional(integer({ min: 0, max: BUFFER_BYTES_MAX })),
});

const errorStatus = string({
  pattern: /^[45](?:\d\d|xx)$/,
  patternMeans: 'a status such as 404 or 5xx',
});

const errorPage: Schema<ErrorPageConfig> = object({
  status: errorStatus,
  html: string({ lengthMax: PAGE_CHARACTERS_MAX }),
});

const network = checked(string({ lengthMax: 100 }), networkMistake);

function networkMistake(text: string): string | undefined {
  return isAddressRange(text) ? undefined : 'want an IP address or a network such as 10.0.0.0/8';
}

const networks = array(network, { itemsMax: NETWORKS_MAX });

const access: Schema<AccessConfig> = object({
  allow: optional(networks),
  deny: optional(networks),
  trust: optional(networks),
});

const rate: Schema<RateConfig> = object({
  scope: optional(literal('node', 'cluster')),
  header: optional(fieldName),
  requests: integer({ min: 1, max: RATE_MAX }),
  perMs: integer({ min: 1, max: DAY_MS }),
  burst: optional(integer({ min: 1, max: RATE_MAX })),
});

const origin = checked(string({ lengthMax: 300 }), (text) =>
  text === '*' || URL.parse(text)?.origin === text
    ? undefined
    : 'want an origin such as https://a.example, or *',
);
const token = string({
  pattern: /^[!#$%&'+.^_`|~0-9A-Za-z-]{1,100}$/,
  patternMeans: 'a name without spaces',
});
const tokens = array(token, { itemsMax: RULES_MAX });

const cors: Schema<CorsConfig> = checked(
  object({
    origins: array(origin, { itemsMax: 1000 }),
    methods: optional(tokens),
    headers: optional(tokens),
    expose: optional(tokens),
    credentials: optional(boolean()),
    maxAgeS: optional(integer({ min: 0, max: CORS_AGE_S_MAX })),
  }),
  ({ origins, credentials }) =>
    credentials === true && origins.includes('*')
      ? 'want origins by name where credentials are let in'
      : undefined,
);

const auth: Schema<BasicAuthConfig> = object({
  realm: string({
    pattern: /^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,100}$/,
    patternMeans: 'printable ASCII without quotes',
  }),
  users: array(
    object({
      name: string({ pattern: /^[^:\p{Cc}]{1,200}$/u, patternMeans: 'a name without a colon' }),
      hash: checked(string({ lengthMax: 500 }), hashMistake),
    }),
    { itemsMax: USERS_MAX },
  ),
});

export const siteSchema: Schema<SiteConfig> = object({
  headers: optional(headers),
  rewrite: optional(rewrite),
  compress: optional(compress),
  errors: optional(array(errorPage, { itemsMax: RULES_MAX })),
  errorsOfUpstreams: optional(array(errorStatus, { itemsMax: RULES_MAX })),
  access: optional(access),
  rate: optional(rate),
  cors: optional(cors),
  auth: optional(auth),
  edge: optional(
    object({
      source: string({ lengthMax: EDGE.sourceCharactersMax }),
      timeoutMs: integer({ min: 1, max: EDGE.timeoutMsMax }),
    }),
  ),
  bufferBytes: optional(integer({ min: 1, max: BUFFER_BYTES_MAX })),
});
