/**
 * The door of the registry: the cluster's small consistent state. `contract.ts` says what every engine promises;
 * engines live beside it and pass the same conformance function (`testing/registry-conformance.ts`).
 */
export { Collection, type CollectionView, type Stored } from './collection.ts';
export type {
  Change,
  CommitResult,
  Condition,
  Entry,
  Lease,
  ListResult,
  Operation,
  Registry,
  RegistryReader,
  Revision,
  WatchBatch,
} from './contract.ts';
export { type CopyOptions, type CopyResult, copyRegistry, isCopyComplete } from './copy.ts';
export {
  COMMIT_BYTES_MAX,
  CONDITIONS_MAX,
  KEY_BYTES_MAX,
  LEASE_TTL_MIN_MS,
  OPERATIONS_MAX,
  VALUE_BYTES_MAX,
} from './limits.ts';
export {
  type MirrorOptions,
  type MirrorStatus,
  openMirror,
  type RegistryMirror,
} from './mirror.ts';
export { type MirrorCopy, readMirror, removeMirror } from './mirror-file.ts';
export { type ReadableMirror, ReadThrough } from './read-through.ts';
export { type CommitGate, SwitchableRegistry } from './switchable.ts';
export { STANDBY_ID, STANDBY_PREFIX, type StandbyRecord, standbyRecords } from './standby.ts';
export { type HistoryLimits, openSqliteRegistry } from './sqlite-registry.ts';
export type {
  EtcdAdmin,
  EtcdAdminOptions,
  EtcdAlarm,
  EtcdMemberInfo,
  EtcdStatus,
} from './etcd/admin.ts';
export type { EtcdTls } from './etcd/link.ts';
export type { EndpointsOptions } from './etcd/endpoints.ts';
export { openEtcdAdmin, openEtcdRegistry } from './etcd/etcd.ts';
export type { EtcdRegistryOptions } from './etcd/etcd-registry.ts';
export { ETCD_REVISION_BASE } from './etcd/revisions.ts';
export { EtcdMember, type EtcdMemberOptions, findEtcd } from './etcd/member.ts';
export { EtcdUpkeep, type EtcdUpkeepOptions } from './etcd/upkeep.ts';
