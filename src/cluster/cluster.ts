/** The door of the cluster part: who this node is, its certificates, and sealing of secrets. */
export { isEndorsed } from './authority-files.ts';
export { Admission, type AdmissionOptions, memberCertificateOf } from './admission.ts';
export { type Certificate, fingerprintOf, pemBlocks } from './certificate.ts';
export { planCutOff, type RegistryHolder, type StartedWith } from './cut-off.ts';
export { ClusterServer, type ClusterServerOptions, type Doors } from './cluster-server.ts';
export {
  Identity,
  type IdentityOptions,
  nodeNameOf,
  openIdentity,
  type RemoteIssuer,
} from './identity.ts';
export { decodeInvite, encodeInvite, type Invite, type InviteAddress } from './invite.ts';
export { type InviteDetail, type InviteRole, Invites } from './invites.ts';
export { joinCluster, type JoinOptions, type JoinResult } from './join.ts';
export {
  type ForeignAccess,
  type HelloAnswer,
  type RegistryPlace,
  registryPlaceSchema,
} from './join-wire.ts';
export {
  AUTOMATIC,
  ManagerRecords,
  type ManagerSetting,
  type ManagerStep,
  planManagers,
  type RegistryMember,
  type RegistryState,
  wantedManagers,
} from './managers.ts';
export {
  type Member,
  type MemberCertificate,
  Members,
  noMember,
  type RevokedNode,
} from './members.ts';
export { connectNode, fetchAuthorityKey, type NodeAddress, remoteIssuer } from './node-client.ts';
export type { ManagerAddress } from './node-file.ts';
export { alonePeers } from './alone-peers.ts';
export { ClusterPeers, type NodeMethods, type PresenceSource } from './cluster-peers.ts';
export type { PeerCallOptions, PeerNode, Peers, PeerState } from './peers.ts';
export {
  type Acknowledgement,
  type AuthorityPair,
  isSame,
  type Lack,
  lacksOf,
  planRotation,
  rotatesAt,
  type RotatingNode,
  type RotationStep,
  wantedOfEtcd,
} from './rotation.ts';
export {
  pairOf,
  type Rotation,
  type RotationCertificates,
  RotationRecords,
} from './rotation-records.ts';
export { Sealer } from './sealing.ts';
export { type ClusterEvent, Events } from './events.ts';
export { Fence, type FenceGuard } from './fence.ts';
export {
  duringTerm,
  LeaderElection,
  type LeaderElectionOptions,
  type LeaderTerm,
  LEADER_TTL_MS,
} from './leader.ts';
export { LEADER_PREFIX, type LeaderFacts, leaderFacts } from './leader-records.ts';
export { isLostFor, place } from './placement.ts';
export type {
  Assignment,
  Move,
  Placement,
  PlacementApp,
  PlacementInput,
  PlacementNode,
  PlacementProcess,
} from './placement-model.ts';
export { CHECK_IN_MS, type NodeLoad, type NodePresence, PRESENCE_CLOCKS } from './presence.ts';
export { PresenceKeeper, type PresenceKeeperOptions } from './presence-keeper.ts';
export { PresenceWatch, type PresenceWatchOptions } from './presence-watch.ts';
export { serialsIn, standInCertificate } from './x509.ts';
export { type Plan, Plans, type StepHandler } from './steps.ts';
export { misfitOf, spokenBy } from './versions.ts';
