/** Rules about fields, made ready: which names go, and which lines come. */
import type { FieldRulesConfig } from './site-config.ts';

export interface FieldRules {
  /** Lower-case names. */
  readonly drop: readonly string[];
  readonly dropped: ReadonlySet<string>;
  readonly lines: string;
}

export function fieldRules(config: FieldRulesConfig | undefined): FieldRules | undefined {
  if (config === undefined) return undefined;
  const { set = {}, add = {}, remove = [] } = config;
  const drop = [...remove, ...Object.keys(set)].map((name) => name.toLowerCase());
  const lines = [...Object.entries(set), ...Object.entries(add)]
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  return { drop, dropped: new Set(drop), lines };
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
