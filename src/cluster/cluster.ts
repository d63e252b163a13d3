/** The door of the cluster part: who this node is, its certificates, and sealing of secrets. */
export { type Certificate, fingerprintOf } from './certificate.ts';
export { Identity, type IdentityOptions, nodeNameOf, openIdentity } from './identity.ts';
export { Sealer } from './sealing.ts';
