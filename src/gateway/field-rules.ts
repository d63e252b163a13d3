/** Rules about fields, made ready: which names go, and which lines come. */
import type { FieldRulesConfig } from './site-config.ts';

export interface FieldRules {
  /** Lower-case names. */
  readonly drop: readonly string[];
  readonly dropped: ReadonlySet<string>;
  readonly lines: string;
  /** In place of the client's; of requests alone. */
  readonly host?: string;
}

export function fieldRules(config: FieldRulesConfig | undefined): FieldRules | undefined {
  if (config === undefined) return undefined;
  const { add = {}, remove = [] } = config;
  const own = Object.entries(config.set ?? {});
  const host = own.find(([name]) => isHost(name))?.[1];
  const set = Object.fromEntries(own.filter(([name]) => !isHost(name)));
  const drop = [...remove, ...Object.keys(set)].map((name) => name.toLowerCase());
  const lines = [...Object.entries(set), ...Object.entries(add)]
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  return { drop, dropped: new Set(drop), lines, ...(host === undefined ? {} : { host }) };
}

/** What a rule of requests may set, and do nothing else to. */
export function isHost(name: string): boolean {
  return name.toLowerCase() === 'host';
}

/** The gateway's own business: framing, this hop, and what it says about the client. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'content-range',
  'date',
  'expect',
  'forwarded',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-real-ip',
]);

/** Whether a rule may be about the field. An underscore does not hide a name: some upstreams read it as a dash. */
export function isChangeable(name: string): boolean {
  const plain = name.toLowerCase().replaceAll('_', '-');
  return !FORBIDDEN.has(plain) && !plain.startsWith('x-forwarded-');
}
