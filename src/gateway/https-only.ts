/** Keeps clients on https: the redirect from http, and Strict-Transport-Security (RFC 6797). */
import { statusLine } from '../http/status.ts';
import { HTTP_CHALLENGES_PATH } from './limits.ts';
import type { HstsConfig, ListenerConfig } from './config.ts';
import type { Dispatch } from './responder.ts';

const HTTPS_PORT = 443;
/** Who proves that a name is theirs may have no certificate yet (RFC 8555 8.3). */
const CHALLENGES = HTTP_CHALLENGES_PATH;

/** What a listener does with its requests: `dispatch` unless it says otherwise. */
export function dispatchFor(config: ListenerConfig, dispatch: Dispatch): Dispatch {
  const { redirectHttpsPort } = config;
  return redirectHttpsPort === undefined ? dispatch : redirectToHttps(redirectHttpsPort, dispatch);
}

/** The same address over https. 308: method and body stay. */
function redirectToHttps(port: number, dispatch: Dispatch): Dispatch {
  return (connection, head, route) => {
    const { plane } = connection;
    const { host, path, target } = plane.target;
    if (path.startsWith(CHALLENGES)) {
      dispatch(connection, head, route);
      return;
    }
    if (host === '') {
      connection.fail(400, 'No host to redirect to', { reason: 'The request names no host' });
      return;
    }
    const place = port === HTTPS_PORT ? host : `${host}:${port}`;
    connection.answerBodyless(
      308,
      `${statusLine(308)}\r\n${plane.dateLine}Location: https://${place}${target === '*' ? '/' : target}\r\n` +
        'Content-Length: 0\r\n',
    );
  };
}

/** The field of that name, which a listener says in place of whoever else does. */
export const HSTS_FIELD: ReadonlySet<string> = new Set(['strict-transport-security']);

/** The line for every answer; empty without the option. */
export function hstsLine(hsts: HstsConfig | undefined): string {
  if (hsts === undefined) return '';
  const { maxAgeS, includeSubDomains = false, preload = false } = hsts;
  const more = `${includeSubDomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`;
  return `Strict-Transport-Security: max-age=${maxAgeS}${more}\r\n`;
}
