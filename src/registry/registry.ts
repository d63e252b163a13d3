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
export {
  COMMIT_BYTES_MAX,
  CONDITIONS_MAX,
  KEY_BYTES_MAX,
  LEASE_TTL_MIN_MS,
  OPERATIONS_MAX,
  VALUE_BYTES_MAX,
} from './limits.ts';
export { type HistoryLimits, openSqliteRegistry } from './sqlite-registry.ts';
export { EtcdAdmin, type EtcdMemberInfo, type EtcdStatus } from './etcd/admin.ts';
export type { EtcdTls } from './etcd/connection.ts';
export { type EtcdRegistryOptions, openEtcdRegistry } from './etcd/etcd-registry.ts';
export { EtcdMember, type EtcdMemberOptions, findEtcd } from './etcd/member.ts';
