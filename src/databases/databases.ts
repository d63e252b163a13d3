/** Door of `databases`: the databases of a cluster, and this node's process that serves them. */
export { ApiConnections } from './api-connections.ts';
export {
  ApiDoor,
  type DoorWords,
  HearingSocket,
  onwardHeaders,
  type Origin,
  unavailable,
  unavailableText,
} from './api-door.ts';
export { Databases, type DatabasesOptions } from './catalog.ts';
export type { DatabaseView } from './database-view.ts';
export type {
  DatabaseState,
  LogPlace,
  Moved,
  MoveRequest,
  PeerAccess,
  QueryState,
  Restored,
  StripeState,
} from './control.ts';
export { cannotLead, moveWaits, splitWaits } from './errors.ts';
export { type FoundDatabase, LostDatabases } from './lost-databases.ts';
export { databaseFamilies } from './figures.ts';
export { DatabasePlacer } from './placer.ts';
export type { ProcessKind } from './process-kind.ts';
export { checkForPeople, type CreateRequest, databaseOfApp, isSystemDatabase } from './records.ts';
export { type DatabaseFolders, processPaths } from './process-record.ts';
export { ProcessSupervisor } from './process-supervisor.ts';
export { newestSlots } from './splits.ts';
export type { KeySealer } from './token-keys.ts';
export { VaultSweeper } from './vault-sweeper.ts';
