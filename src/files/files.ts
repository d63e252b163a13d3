/** Door of `files`: buckets and objects over the storages of all nodes. */
export { Files, type FilesOptions } from './agent.ts';
export type { Places } from './block-writer.ts';
export type { FilesAccess, FilesTroubles } from './control.ts';
export { type FaceContext, type FaceMaker, listenAt } from './faces.ts';
export type * from './model.ts';
export type { Place, Verdict } from './placement.ts';
export type { Policy } from './policy.ts';
export type { RecoveryState, RecoveryWish } from './recovery.ts';
export type { RepairState } from './repair.ts';
export type { ScrubState } from './scrub.ts';
export { filesFamilies } from './figures.ts';
export { websiteSocket } from './paths.ts';
export { isHeld } from './retention.ts';
export type { StorageState } from './storage-state.ts';
