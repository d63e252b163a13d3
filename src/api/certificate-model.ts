/** What the API says of certificates. Times are epoch milliseconds; keys go in and never come out. */
import type { CertificateRow, CertificateWarning, ChallengeKind } from '../certs/certs.ts';

export type { CertificateRow, CertificateWarning, ChallengeKind };

/** Where certificates are ordered. */
export interface AcmeView {
  readonly email: string;
  readonly directory: string;
  /** Whether the directory's own certificate is checked by an authority that was given. */
  readonly hasDirectoryCa: boolean;
  readonly challenge: ChallengeKind | undefined;
  readonly dnsHook: string | undefined;
}

export interface CertificateList {
  /** One sentence. */
  readonly sentence: string;
  /** Undefined: none are ordered. */
  readonly acme: AcmeView | undefined;
  readonly certificates: readonly CertificateRow[];
  readonly warnings: readonly CertificateWarning[];
}

export interface AcmeRequest {
  readonly email: string;
  readonly directory: string | undefined;
  /** PEM. */
  readonly directoryCa: string | undefined;
  readonly challenge: ChallengeKind | undefined;
  readonly dnsHook: string | undefined;
  /** Of the authority; nothing is ordered without it. */
  readonly termsAgreed: boolean;
}

/** What the API needs of the node for it. */
export interface CertificateCloud {
  listCertificates(): Promise<CertificateList>;
  /** Throws `CERTS_NOT_FOUND`. */
  showCertificate(host: string): Promise<CertificateRow>;
  /** PEM. Throws `CERTS_PEM_INVALID`, `CERTS_KEY_INVALID`, `CERTS_HOST_INVALID`. */
  addCertificate(
    host: string,
    pair: { readonly cert: string; readonly key: string },
  ): Promise<CertificateRow>;
  removeCertificate(host: string): Promise<void>;
  /** Now, whatever failed before. Throws `CERTS_OFF`, `CERTS_HOST_INVALID`. */
  orderCertificate(host: string): Promise<void>;
  setAcme(request: AcmeRequest): Promise<void>;
  /** What is held stays. */
  unsetAcme(): Promise<void>;
}
