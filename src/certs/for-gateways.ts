/** What gateways are told: certificates with their keys, and what authorities ask. Pure. */
import type { CertState } from './model.ts';

interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface GatewayShare {
  /** Those that somebody brought come first: they win a name that several have. */
  readonly certificates: readonly Pair[];
  /** Undefined: nobody asks. */
  readonly challenges:
    | {
        readonly http: readonly { readonly token: string; readonly answer: string }[];
        readonly tls: readonly (Pair & { readonly host: string })[];
      }
    | undefined;
}

export function forGateways({
  certificates,
  orders,
}: Pick<CertState, 'certificates' | 'orders'>): GatewayShare {
  const ordered = certificates.toSorted(
    (a, b) => Number(b.source === 'own') - Number(a.source === 'own') || (a.host < b.host ? -1 : 1),
  );
  const open = orders.flatMap(({ challenge }) => challenge ?? []);
  return {
    certificates: ordered.map(({ certPem, keyPem }) => ({ cert: certPem, key: keyPem })),
    challenges:
      open.length === 0
        ? undefined
        : {
            http: open.flatMap(({ kind, token, answer }) =>
              kind === 'http-01' ? [{ token, answer }] : [],
            ),
            tls: open.flatMap(({ host, tls }) => (tls === undefined ? [] : [{ host, ...tls }])),
          },
  };
}
