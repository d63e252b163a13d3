/** Percent-encoding as S3 does it, and what a request's target says. */
import { encodeUri } from '../base/uri.ts';
import { S3Error } from './errors.ts';

/** As the listings with `encoding-type=url` do: a form's encoding, but slashes stay. */
export function encodeListed(text: string): string {
  return encodeUri(text, true).replaceAll('%20', '+');
}

/** Throws InvalidURI for broken escapes and for bytes that are no UTF-8. */
export function decodeUri(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new S3Error('InvalidURI', undefined, { cause });
  }
}

export interface Target {
  /** Still encoded. */
  readonly rawPath: string;
  /** Still encoded, without the question mark. */
  readonly rawQuery: string;
  /** Decoded. */
  readonly path: string;
  /** Names and values decoded, in the order of the request. */
  readonly query: readonly (readonly [name: string, value: string])[];
}

/** Reads `/path?query`, or an absolute form. */
export function parseTarget(url: string): Target {
  let rest = url;
  if (!rest.startsWith('/')) rest = rest.replace(/^[a-z]+:\/\/[^/?]*/i, '');
  const mark = rest.indexOf('?');
  const rawPath = mark < 0 ? rest : rest.slice(0, mark);
  const rawQuery = mark < 0 ? '' : rest.slice(mark + 1);
  const query: (readonly [string, string])[] = [];
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    const value = equals < 0 ? '' : pair.slice(equals + 1);
    query.push([decodeUri(name.replaceAll('+', ' ')), decodeUri(value.replaceAll('+', ' '))]);
  }
  return {
    rawPath: rawPath === '' ? '/' : rawPath,
    rawQuery,
    path: decodeUri(rawPath === '' ? '/' : rawPath),
    query,
  };
}

/** `bucket.localhost`, `bucket.s3.example.com`, or below one of the names given. */
export function bucketOfHost(host: string, domains: readonly string[]): string | undefined {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  for (const domain of domains) {
    if (name === domain) return undefined;
    if (name.endsWith(`.${domain}`)) return name.slice(0, -domain.length - 1);
  }
  return /^(.+?)\.s3(?:[.-][^.].*)?\..+$/.exec(name)?.[1];
}
