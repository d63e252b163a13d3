/** The door of the cluster part: who this node is, its certificates, and sealing of secrets. */
export { type Certificate, fingerprintOf } from './certificate.ts';
export { Identity, type IdentityOptions, nodeNameOf, openIdentity } from './identity.ts';
export { Sealer } from './sealing.ts';
export { Fence, type FenceGuard } from './fence.ts';
export {
  LeaderElection,
  type LeaderElectionOptions,
  type LeaderTerm,
  LEADER_TTL_MS,
} from './leader.ts';
export { type LeaderFacts, leaderFacts } from './leader-records.ts';
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
export { CHECK_IN_MS, type NodePresence, PRESENCE_CLOCKS } from './presence.ts';
export { PresenceKeeper, type PresenceKeeperOptions } from './presence-keeper.ts';
export { PresenceWatch, type PresenceWatchOptions } from './presence-watch.ts';
export { type Plan, Plans, type StepHandler } from './steps.ts';
