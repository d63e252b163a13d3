/** From a listener as people write it to what workers are told. Certificates that it names are read here, once. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError, isMolnError, messageOf } from '../base/errors.ts';
import { checkPair } from '../certs/certs.ts';
import type { GatewayConfigContent } from '../gateway/gateway.ts';
import type { WrittenHsts, WrittenListener, WrittenPair } from './listener-schema.ts';
import { seconds } from './values.ts';
import { proxyProtocolOf } from './written-balancer.ts';

type ListenerConfig = GatewayConfigContent['listeners'][number];

export interface ListenerGround {
  /** Its key. */
  readonly path: string;
  /** Undefined in the registry. */
  readonly folder: string | undefined;
  /** Where `redirect: https` leads. */
  readonly httpsPort: number;
  /** Made of its place unless said. */
  readonly id?: string;
}

/** A year, unless said. */
const HSTS_MS: number = 365 * 86_400_000;

function hstsOf({ maxAge = HSTS_MS, ...chosen }: WrittenHsts): NonNullable<ListenerConfig['hsts']> {
  return { maxAgeS: seconds(maxAge), ...chosen };
}

/** Throws `ConfigError`. Without `folder` there are no files, and certificates come from elsewhere. */
export function listenerOf(
  one: WrittenListener,
  { path, folder, httpsPort, id }: ListenerGround,
): ListenerConfig {
  const { address, port, protocol, tls, hsts, redirect } = one;
  const proxied = proxyProtocolOf(one.proxyProtocol, `${path}.proxyProtocol`);
  if (proxied?.out !== undefined) {
    const key = `${path}.proxyProtocol.out`;
    throw new ConfigError(key, `Key "${key}" is for protocol tcp, not ${protocol}`);
  }
  const listener = {
    id: id ?? `${protocol}-${address}-${port}`,
    address,
    port,
    protocol,
    ...(hsts === false ? {} : { hsts: hstsOf(hsts) }),
    ...(redirect === undefined ? {} : { redirectHttpsPort: httpsPort }),
    ...(proxied?.trust === undefined ? {} : { proxyProtocol: { trust: proxied.trust } }),
  };
  if (tls === undefined) return listener;
  if (folder === undefined) {
    const key = `${path}.tls`;
    throw new ConfigError(key, `Key "${key}" is for the file of a gateway by itself`, {
      hint: 'Listeners of a cluster have its certificates',
    });
  }
  if (tls.length === 0) {
    throw new ConfigError(`${path}.tls`, `Key "${path}.tls" is empty, want at least one`);
  }
  const isOne = tls.length === 1;
  const [first, ...certificates] = tls.flatMap((each, index) =>
    'acme' in each ? [] : [pairOf(each, isOne ? `${path}.tls` : `${path}.tls[${index}]`, folder)],
  );
  if (first === undefined) return listener;
  return { ...listener, tls: first, ...(certificates.length === 0 ? {} : { certificates }) };
}

function pairOf(
  pair: WrittenPair,
  path: string,
  folder: string,
): NonNullable<ListenerConfig['tls']> {
  const cert = readPem(resolve(folder, pair.cert), `${path}.cert`);
  const key = readPem(resolve(folder, pair.key), `${path}.key`);
  try {
    const { certPem, keyPem } = checkPair({ cert, key }, undefined);
    return { cert: certPem, key: keyPem };
  } catch (error) {
    const what = `Certificate and key of "${path}" cannot be used: ${messageOf(error)}`;
    throw new ConfigError(path, what, {
      hint:
        (isMolnError(error) ? error.hint : undefined) ?? 'Both have to be PEM and belong together',
      cause: error,
    });
  }
}

function readPem(file: string, path: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(
      path,
      `Key "${path}" names a file that cannot be read: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}
