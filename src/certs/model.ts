/** The nouns of certificates. Times are epoch milliseconds; keys are PEM, and never leave but sealed. */

export type ChallengeKind = 'http-01' | 'tls-alpn-01' | 'dns-01';
export const CHALLENGE_KINDS: readonly ChallengeKind[] = ['http-01', 'tls-alpn-01', 'dns-01'];

/** Let's Encrypt. */
export const USUAL_DIRECTORY = 'https://acme-v02.api.letsencrypt.org/directory';

/** Where certificates are ordered. */
export interface AcmeSettings {
  readonly email: string;
  /** URL (RFC 8555 7.1.1). */
  readonly directory: string;
  /** PEM of whoever signed the directory's own certificate, when that is nobody that everybody knows. */
  readonly directoryCa: string | undefined;
  /** Undefined: HTTP-01, then TLS-ALPN-01; wildcards by DNS-01. */
  readonly challenge: ChallengeKind | undefined;
  /** A program that sets and clears records of DNS. */
  readonly dnsHook: string | undefined;
}

/** At the authority; one for a directory. */
export interface Account {
  readonly directory: string;
  readonly keyPem: string;
  /** Undefined until the authority has entered it. */
  readonly url: string | undefined;
}

export interface HeldCertificate {
  /** What it was ordered or given for; it may name more. Lower case, `*.` in front for a wildcard. */
  readonly host: string;
  /** `own`: somebody brought it, and nobody renews it. */
  readonly source: 'acme' | 'own';
  /** Its own one first. */
  readonly certPem: string;
  readonly keyPem: string;
  readonly addedAt: number;
}

/** An order that the authority has not fulfilled yet: what whoever goes on with it has to know. */
export interface Order {
  readonly host: string;
  readonly directory: string;
  readonly startedAt: number;
  /** Of the certificate to be. */
  readonly keyPem: string;
  /** At the authority. */
  readonly url: string | undefined;
  readonly challenge: OpenChallenge | undefined;
}

/** What the authority asks to see that the host is ours. */
export interface OpenChallenge {
  readonly kind: ChallengeKind;
  /** Without `*.`. */
  readonly host: string;
  readonly url: string;
  readonly token: string;
  /** What is to be answered; for DNS-01 the record's value. */
  readonly answer: string;
  /** For TLS-ALPN-01. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
}

export interface Failure {
  readonly host: string;
  /** In a row. */
  readonly count: number;
  readonly at: number;
  /** Not before. */
  readonly retryAt: number;
  readonly code: string;
  readonly message: string;
}

export interface TicketKey {
  readonly madeAt: number;
  /** Base64. */
  readonly key: string;
}

/** Everything that is known. */
export interface CertState {
  readonly settings: AcmeSettings | undefined;
  readonly certificates: readonly HeldCertificate[];
  readonly orders: readonly Order[];
  readonly failures: readonly Failure[];
}

/** Where it is kept: the registry of a cluster, or a file. */
export interface CertStore {
  read(): Promise<CertState>;
  account(directory: string): Promise<Account | undefined>;
  putAccount(account: Account): Promise<void>;
  /** Resolves when all gateways that are heard of answer its challenge. */
  putOrder(order: Order): Promise<void>;
  /** The order is over; what was held for its host is replaced, its failures are forgotten. */
  finish(certificate: HeldCertificate): Promise<void>;
  /** The order is over, if there was one. */
  fail(failure: Failure): Promise<void>;
  /** Nobody wants it any more. */
  drop(host: string): Promise<void>;
}
