/** Door of `files`: buckets and objects over the storages of all nodes. */
export { Files, type FilesOptions } from './agent.ts';
export type { Places } from './block-writer.ts';
export { CatalogueLink } from './catalogue-link.ts';
export type { FilesAccess, FilesTroubles } from './control.ts';
export { type FaceContext, type FaceMaker, listenAt } from './faces.ts';
export type * from './model.ts';
export { choose, judge, type Place, type Verdict } from './placement.ts';
export { parsePolicy, type Policy } from './policy.ts';
export { createCatalogue } from './schema.ts';
export type { RecoveryState, RecoveryWish } from './recovery.ts';
export type { RepairState } from './repair.ts';
export type { ScrubState } from './scrub.ts';
export { Sessions } from './sessions.ts';
export { filesFamilies } from './figures.ts';
export { websiteSocket } from './files-process.ts';
export type { StorageState } from './storage-state.ts';
export { Store, type StoreOptions } from './store.ts';
