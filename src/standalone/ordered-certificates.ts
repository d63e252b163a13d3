/** Certificates of a gateway's file that are ordered: what is wanted, and putting them where they belong. */
import { readFileSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { ConfigError, messageOf } from '../base/errors.ts';
import { type AcmeSettings, type GatewayShare, publicHostsOf, readHost } from '../certs/certs.ts';
import type { GatewayConfigContent } from '../gateway/gateway.ts';
import { isBalancer, type WrittenAcme } from '../routes/routes.ts';
import type { FileShape } from './file-schema.ts';

type Pair = GatewayShare['certificates'][number];

export interface OrderedCertificates {
  readonly settings: AcmeSettings;
  readonly hosts: readonly string[];
  /** Ids of the listeners that get them. */
  readonly listeners: readonly string[];
}

/** What there is to serve with now. */
export interface ServedCertificates extends GatewayShare {
  /** For clients that come before there is any. */
  readonly fallback: Pair;
}

/** To check a file by. */
export const NOTHING_YET: ServedCertificates = {
  certificates: [],
  challenges: undefined,
  fallback: { cert: '', key: '' },
};

/** Undefined: nothing is ordered. Throws `ConfigError`. */
export function orderedOf(shape: FileShape, folder: string): OrderedCertificates | undefined {
  const wishes = shape.listeners.flatMap((one, index) => {
    if (isBalancer(one)) return [];
    const path = `listeners[${index}].tls`;
    const all = (one.tls ?? []).flatMap((each) => ('acme' in each ? [each.acme] : []));
    if (all.length > 1) throw new ConfigError(path, `Key "${path}" has "acme" twice, want it once`);
    const [acme] = all;
    const id = `${one.protocol}-${one.address}-${one.port}`;
    return acme === undefined ? [] : [{ acme, path: `${path}.acme`, id }];
  });
  const [first] = wishes;
  if (first === undefined) return undefined;
  const settings = settingsOf(first.acme, first.path, folder);
  for (const { acme, path } of wishes) {
    if (JSON.stringify(settingsOf(acme, path, folder)) === JSON.stringify(settings)) continue;
    const what = `Key "${path}" differs from "${first.path}"; one gateway orders from one authority`;
    throw new ConfigError(path, what);
  }
  const hosts = new Set(wishes.flatMap(({ acme, path }) => hostsOf(acme, shape, path)));
  return { settings, hosts: [...hosts].sort(), listeners: wishes.map(({ id }) => id) };
}

/** The same with certificates, and with what authorities ask. */
export function withCertificates(
  content: GatewayConfigContent,
  ordered: OrderedCertificates | undefined,
  { certificates, challenges, fallback }: ServedCertificates,
): GatewayConfigContent {
  if (ordered === undefined) return content;
  return {
    ...content,
    listeners: content.listeners.map((one) => {
      if (!ordered.listeners.includes(one.id)) return one;
      const own = [...(one.tls === undefined ? [] : [one.tls]), ...(one.certificates ?? [])];
      const [tls = fallback, ...further] = [...own, ...certificates];
      return { ...one, tls, certificates: further };
    }),
    ...(challenges === undefined ? {} : { challenges }),
  };
}

function settingsOf(acme: WrittenAcme, path: string, folder: string): AcmeSettings {
  const { email, directory, challenge, dnsHook, directoryCa } = acme;
  if (challenge === 'dns-01' && dnsHook === undefined) {
    const what = `Key "${path}.challenge" is "dns-01", which needs "${path}.dnsHook", the program that sets records`;
    throw new ConfigError(`${path}.challenge`, what);
  }
  return {
    email,
    directory,
    directoryCa:
      directoryCa === undefined
        ? undefined
        : readCa(resolve(folder, directoryCa), `${path}.directoryCa`),
    challenge,
    dnsHook: dnsHook === undefined || isAbsolute(dnsHook) ? dnsHook : resolve(folder, dnsHook),
  };
}

function readCa(file: string, path: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const what = `Key "${path}" names a file that cannot be read: ${messageOf(error)}`;
    throw new ConfigError(path, what, { cause: error });
  }
}

function hostsOf(
  { hosts, dnsHook }: WrittenAcme,
  { routes }: FileShape,
  path: string,
): readonly string[] {
  const named = hosts?.map((host, at) => {
    try {
      return readHost(host);
    } catch (error) {
      throw new ConfigError(`${path}.hosts[${at}]`, messageOf(error), { cause: error });
    }
  });
  const found = named ?? publicHostsOf(routes.flatMap(({ host }) => host));
  if (found.length === 0) {
    const what = `Key "${path}" finds no public host among those of the routes, want "${path}.hosts"`;
    throw new ConfigError(path, what, { hint: 'Write "hosts: [www.example.org]"' });
  }
  const wildcard = found.find((host) => host.startsWith('*.'));
  if (wildcard !== undefined && dnsHook === undefined) {
    const what = `Host "${wildcard}" is a wildcard, which needs "${path}.dnsHook", the program that sets records of DNS`;
    throw new ConfigError(path, what);
  }
  return found;
}
