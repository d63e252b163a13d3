/** What people have to know about certificates before clients notice it: one sentence each, by host. Pure. */
import { isoTime } from '../base/time.ts';
import type { Held } from './decide.ts';
import { covers, isPublicHost } from './hosts.ts';
import { EXPIRES_SOON_MS } from './limits.ts';
import type { Failure } from './model.ts';

export interface CertificateWarning {
  readonly host: string;
  readonly kind: 'expired' | 'expires-soon' | 'not-yet-valid' | 'mismatch' | 'failing' | 'wildcard';
  /** A sentence that names the host. */
  readonly text: string;
}

export interface WarningInput {
  readonly nowMs: number;
  readonly held: readonly Held[];
  readonly failures: readonly Failure[];
  /** Hosts of routes and apps, public and not. */
  readonly hosts: readonly string[];
  readonly isOn: boolean;
  readonly hasDns: boolean;
}

export function warningsOf(input: WarningInput): readonly CertificateWarning[] {
  const { nowMs, held, failures, hosts, isOn, hasDns } = input;
  const warnings = held.flatMap((one) => [...ofTime(one, nowMs), ...ofHosts(one, hosts)]);
  for (const { host, count, message, retryAt } of failures) {
    const times = count === 1 ? 'once' : `${count} times`;
    warnings.push({
      host,
      kind: 'failing',
      text: `The order for ${host} failed ${times}, is tried again at ${isoTime(retryAt)}: ${message}`,
    });
  }
  if (!isOn || hasDns) return warnings;
  const uncovered = hosts.filter(
    (host) =>
      host.startsWith('*.') &&
      isPublicHost(host) &&
      !held.some(({ names }) => names.includes(host)),
  );
  for (const host of uncovered) {
    const text = `No certificate can be ordered for ${host}: wildcards need a hook for DNS ("moln certificate acme --dns-hook PROGRAM")`;
    warnings.push({ host, kind: 'wildcard', text });
  }
  return warnings;
}

function ofTime({ host, notBefore, notAfter }: Held, nowMs: number): readonly CertificateWarning[] {
  const what = `The certificate for ${host}`;
  const end = isoTime(notAfter);
  if (notAfter <= nowMs) return [{ host, kind: 'expired', text: `${what} has expired at ${end}` }];
  if (notBefore > nowMs) {
    const text = `${what} is not valid before ${isoTime(notBefore)}`;
    return [{ host, kind: 'not-yet-valid', text }];
  }
  const left = notAfter - nowMs;
  if (left >= Math.min(EXPIRES_SOON_MS, (notAfter - notBefore) / 3)) return [];
  return [{ host, kind: 'expires-soon', text: `${what} expires at ${end}` }];
}

function ofHosts({ host, names }: Held, hosts: readonly string[]): readonly CertificateWarning[] {
  const isUsed = hosts.some(
    (one) =>
      one === '*' ||
      names.some(
        (name) => covers(name, one) || (one.startsWith('*.') && name.endsWith(one.slice(1))),
      ),
  );
  if (isUsed || hosts.length === 0) return [];
  const text = `The certificate for ${names.join(', ')} fits no host of the apps and routes`;
  return [{ host, kind: 'mismatch', text }];
}
