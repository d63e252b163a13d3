/** The door of certificates: ordering, own ones, and what is told of them. */
export { CertMirror, type MirroredCertificates } from './cert-mirror.ts';
export { decide, type Held, nextFailure, renewalOf } from './decide.ts';
export { notFound, off } from './errors.ts';
export { FileStore } from './file-store.ts';
export { forGateways, type GatewayShare } from './for-gateways.ts';
export { covers, isPublicHost, publicHostsOf, readHost } from './hosts.ts';
export {
  type AcmeSettings,
  type CertState,
  type CertStore,
  CHALLENGE_KINDS,
  type ChallengeKind,
  type Failure,
  type HeldCertificate,
  type Order,
  USUAL_DIRECTORY,
} from './model.ts';
export { CERTIFICATES_MAX } from './limits.ts';
export { heldOf, Orderer } from './orderer.ts';
export { type CertificateFacts, checkPair, type CheckedPair, readFacts } from './pem.ts';
export { RegistryStore, type RegistryStoreOptions } from './registry-store.ts';
export { certificateRows, type CertificateOverview, type CertificateRow } from './rows.ts';
export { nextTicketKeys } from './ticket-keys.ts';
export { type CertificateWarning, warningsOf } from './warnings.ts';
