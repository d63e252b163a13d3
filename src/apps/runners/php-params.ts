/** Pure: the CGI variables (RFC 3875, section 4.1) that a PHP script gets with a request. */
import type { IncomingMessage } from 'node:http';
import type { PhpTarget } from './php-paths.ts';

type Script = Extract<PhpTarget, { readonly kind: 'script' }>;

export interface ParamsInput {
  readonly request: Pick<
    IncomingMessage,
    'method' | 'url' | 'httpVersion' | 'headers' | 'rawHeaders'
  >;
  readonly script: Script;
  readonly root: string;
  /** Bytes of the body. */
  readonly contentLength: number;
}

export function phpParams(input: ParamsInput): Record<string, string> {
  const { request, script } = input;
  const { headers } = request;
  const url = request.url ?? '/';
  const question = url.indexOf('?');
  const https = lastOf(headers['x-forwarded-proto']) === 'https';
  const host = headers.host ?? 'localhost';
  const port = /:(\d+)$/.exec(host)?.[1] ?? (https ? '443' : '80');
  return {
    ...headerParams(request.rawHeaders),
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_SOFTWARE: 'moln',
    SERVER_PROTOCOL: `HTTP/${request.httpVersion}`,
    SERVER_NAME: host.replace(/:\d+$/, ''),
    SERVER_PORT: port,
    REQUEST_METHOD: request.method ?? 'GET',
    REQUEST_URI: url,
    QUERY_STRING: question < 0 ? '' : url.slice(question + 1),
    DOCUMENT_ROOT: input.root,
    DOCUMENT_URI: script.scriptName,
    SCRIPT_NAME: script.scriptName,
    SCRIPT_FILENAME: script.file,
    ...(script.pathInfo === '' ? {} : { PATH_INFO: script.pathInfo }),
    // The gateway adds the address that it saw as the last one.
    REMOTE_ADDR: lastOf(headers['x-forwarded-for']) ?? '127.0.0.1',
    ...(https ? { HTTPS: 'on', REQUEST_SCHEME: 'https' } : { REQUEST_SCHEME: 'http' }),
    // Without it php-cgi believes that it was called directly.
    REDIRECT_STATUS: '200',
    CONTENT_TYPE: headers['content-type'] ?? '',
    CONTENT_LENGTH: input.contentLength === 0 ? '' : String(input.contentLength),
  };
}

/** HTTP_* of every header; `Proxy` would set the proxy of what the script calls, `_` would pass for `-`. */
function headerParams(raw: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? '').toUpperCase();
    if (name === 'PROXY' || name.includes('_')) continue;
    const key = `HTTP_${name.replaceAll('-', '_')}`;
    const joiner = name === 'COOKIE' ? '; ' : ', ';
    const before = params[key];
    const value = raw[index + 1] ?? '';
    params[key] = before === undefined ? value : `${before}${joiner}${value}`;
  }
  return params;
}

function lastOf(value: string | readonly string[] | undefined): string | undefined {
  const text = typeof value === 'string' ? value : value?.join(',');
  const last = text?.split(',').at(-1)?.trim();
  return last === '' ? undefined : last;
}
