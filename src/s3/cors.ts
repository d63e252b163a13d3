/** Cross-origin rules of a bucket: read, printed, and which one answers a request. Pure. */
import { element, XML_HEAD } from '../xml/xml.ts';
import {
  childrenNamed,
  holdsOnly,
  malformed,
  readRoot,
  S3_NAMESPACE,
  textIn,
  textOf,
  wholeNumber,
} from './document.ts';
import { S3Error } from './errors.ts';

export interface CorsRule {
  readonly id?: string | undefined;
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAgeSeconds?: number | undefined;
}

const LISTS = ['AllowedOrigin', 'AllowedMethod', 'AllowedHeader', 'ExposeHeader'];
const RULES_MAX = 100;
const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'POST', 'DELETE', 'HEAD']);

export function parseCors(bytes: Uint8Array): readonly CorsRule[] {
  const root = readRoot(bytes, 'CORSConfiguration');
  holdsOnly(root, [], ['CORSRule']);
  const rules = childrenNamed(root, 'CORSRule').map((rule) => {
    holdsOnly(rule, ['ID', 'MaxAgeSeconds'], LISTS);
    const all = (name: string): readonly string[] => childrenNamed(rule, name).map(textOf);
    const one: CorsRule = {
      id: textIn(rule, 'ID'),
      origins: all('AllowedOrigin'),
      methods: all('AllowedMethod'),
      headers: all('AllowedHeader'),
      exposed: all('ExposeHeader'),
      maxAgeSeconds: wholeNumber(textIn(rule, 'MaxAgeSeconds')),
    };
    if (one.origins.length === 0 || one.methods.length === 0) throw malformed();
    for (const method of one.methods) {
      if (METHODS.has(method)) continue;
      throw new S3Error(
        'InvalidRequest',
        `Found unsupported HTTP method in CORS config. Unsupported method is ${method}`,
      );
    }
    checkWildcards('AllowedOrigin', one.origins);
    checkWildcards('AllowedHeader', one.headers);
    const wild = one.exposed.find((name) => name.includes('*'));
    if (wild !== undefined) {
      throw new S3Error('InvalidRequest', `ExposeHeader "${wild}" can not have a wildcard.`);
    }
    if ((one.maxAgeSeconds ?? 0) < 0) throw malformed();
    return one;
  });
  if (rules.length === 0 || rules.length > RULES_MAX) throw malformed();
  return rules;
}

function checkWildcards(name: string, values: readonly string[]): void {
  const bad = values.find((value) => value.split('*').length > 2);
  if (bad === undefined) return;
  throw new S3Error('InvalidRequest', `${name} "${bad}" can not have more than one wildcard.`);
}

export function printCors(rules: readonly CorsRule[]): string {
  const inside = rules
    .map((rule) => {
      const all = (name: string, values: readonly string[]): string =>
        values.map((value) => element(name, value)).join('');
      return (
        `<CORSRule>${element('ID', rule.id)}${all('AllowedMethod', rule.methods)}${all('AllowedOrigin', rule.origins)}` +
        `${all('AllowedHeader', rule.headers)}${all('ExposeHeader', rule.exposed)}${element('MaxAgeSeconds', rule.maxAgeSeconds)}</CORSRule>`
      );
    })
    .join('');
  return `${XML_HEAD}<CORSConfiguration xmlns="${S3_NAMESPACE}">${inside}</CORSConfiguration>`;
}

/** What answers depend on when a bucket has rules. */
export const CORS_VARY = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method';

export interface CorsQuestion {
  readonly origin: string;
  readonly method: string;
  /** Of a preflight: the fields that the browser wants to send. */
  readonly headers?: readonly string[] | undefined;
}

/** Fields of the answer, or undefined when no rule allows it. */
export function corsAnswer(
  rules: readonly CorsRule[],
  question: CorsQuestion,
  isPreflight: boolean,
): Readonly<Record<string, string>> | undefined {
  for (const rule of rules) {
    const origin = rule.origins.find((one) => matchesStar(one, question.origin));
    if (origin === undefined || !rule.methods.includes(question.method)) continue;
    const wanted = question.headers ?? [];
    if (
      !wanted.every((name) =>
        rule.headers.some((one) => matchesStar(one.toLowerCase(), name.toLowerCase())),
      )
    )
      continue;
    const answer: Record<string, string> = {
      'access-control-allow-origin': origin === '*' ? '*' : question.origin,
      'access-control-allow-methods': rule.methods.join(', '),
      vary: CORS_VARY,
    };
    if (origin !== '*') answer['access-control-allow-credentials'] = 'true';
    if (rule.exposed.length > 0) answer['access-control-expose-headers'] = rule.exposed.join(', ');
    if (rule.maxAgeSeconds !== undefined && isPreflight) {
      answer['access-control-max-age'] = String(rule.maxAgeSeconds);
    }
    if (isPreflight && wanted.length > 0) {
      answer['access-control-allow-headers'] = wanted.join(', ').toLowerCase();
    }
    return answer;
  }
  return undefined;
}

/** One `*` at most. */
function matchesStar(pattern: string, text: string): boolean {
  const [start = '', end] = pattern.split('*');
  if (end === undefined) return pattern === text;
  return text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
}
