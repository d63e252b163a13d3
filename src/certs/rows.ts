/** Certificates as people see them: one row for each host that has one, wants one, or could not get one. Pure. */
import { formatDuration } from '../base/time.ts';
import { type Held, renewalOf } from './decide.ts';
import { covers, isPublicHost } from './hosts.ts';
import type { CertState, Failure } from './model.ts';
import { readFacts } from './pem.ts';
import { type CertificateWarning, warningsOf } from './warnings.ts';
import { heldOf } from './orderer.ts';

export interface CertificateRow {
  readonly host: string;
  /** `cluster`: of the cluster's own authority, which browsers do not know. */
  readonly source: 'acme' | 'own' | 'cluster';
  readonly state: 'good' | 'ordering' | 'none' | CertificateWarning['kind'];
  /** One sentence. */
  readonly text: string;
  readonly names: readonly string[];
  readonly issuer: string | undefined;
  readonly serial: string | undefined;
  readonly notBefore: number | undefined;
  readonly notAfter: number | undefined;
  /** When it is ordered anew, if it is. */
  readonly renewsAt: number | undefined;
  readonly failure: Omit<Failure, 'host'> | undefined;
}

export interface CertificateOverview {
  readonly rows: readonly CertificateRow[];
  readonly warnings: readonly CertificateWarning[];
}

export function certificateRows(
  state: CertState,
  hosts: readonly string[],
  nowMs: number,
): CertificateOverview {
  const held = state.certificates.map(heldOf);
  const { settings, failures, orders } = state;
  const isOn = settings !== undefined;
  const hasDns = settings?.dnsHook !== undefined;
  const warnings = warningsOf({ nowMs, held, failures, hosts, isOn, hasDns });
  const rows = state.certificates.map((one): CertificateRow => {
    const facts = readFacts(one.certPem);
    const known = heldOf(one);
    return {
      ...rowOf(one.host, one.source, failures),
      ...stateOf(one.host, warnings, orders, {
        state: 'good',
        text: `Good for another ${formatDuration(facts.notAfter - nowMs)}`,
      }),
      names: facts.names,
      issuer: facts.issuer,
      serial: facts.serial,
      notBefore: facts.notBefore,
      notAfter: facts.notAfter,
      renewsAt: one.source === 'acme' && isOn ? renewalOf(known) : undefined,
    };
  });
  const missing = [
    ...new Set([
      ...hosts.filter(isPublicHost),
      ...orders.map(({ host }) => host),
      ...failures.map(({ host }) => host),
    ]),
  ]
    .filter((host) => !isServed(host, held))
    .map((host): CertificateRow => ({
      ...rowOf(host, 'cluster', failures),
      ...stateOf(host, warnings, orders, {
        state: 'none',
        text: isOn
          ? 'It is about to be ordered'
          : 'None but of the cluster, which browsers do not know; "moln certificate acme" orders them',
      }),
    }));
  const all = [...rows, ...missing].toSorted((a, b) => (a.host < b.host ? -1 : 1));
  return { rows: all, warnings };
}

function isServed(host: string, held: readonly Held[]): boolean {
  return held.some(
    ({ names, host: own }) => own === host || names.some((name) => covers(name, host)),
  );
}

function rowOf(
  host: string,
  source: CertificateRow['source'],
  failures: readonly Failure[],
): CertificateRow {
  const found = failures.find((one) => one.host === host);
  const failure =
    found === undefined
      ? undefined
      : {
          count: found.count,
          at: found.at,
          retryAt: found.retryAt,
          code: found.code,
          message: found.message,
        };
  return {
    host,
    source,
    state: 'none',
    text: '',
    names: [],
    issuer: undefined,
    serial: undefined,
    notBefore: undefined,
    notAfter: undefined,
    renewsAt: undefined,
    failure,
  };
}

/** The gravest first: what has expired is worse than that its renewal fails. */
const GRAVITY: readonly CertificateWarning['kind'][] = [
  'expired',
  'not-yet-valid',
  'failing',
  'expires-soon',
  'mismatch',
  'wildcard',
];

function stateOf(
  host: string,
  warnings: readonly CertificateWarning[],
  orders: readonly { readonly host: string }[],
  otherwise: Pick<CertificateRow, 'state' | 'text'>,
): Pick<CertificateRow, 'state' | 'text'> {
  const own = warnings.filter((one) => one.host === host);
  const [worst] = own.toSorted((a, b) => GRAVITY.indexOf(a.kind) - GRAVITY.indexOf(b.kind));
  if (worst !== undefined) return { state: worst.kind, text: worst.text };
  if (orders.some((one) => one.host === host)) {
    return { state: 'ordering', text: 'The authority is being asked for it' };
  }
  return otherwise;
}
