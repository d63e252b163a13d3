/** Door of `api`. Its model is in `model.ts`, what it needs of the node below in `cloud.ts`. */
export type * from './address-model.ts';
export type * from './cache-model.ts';
export type { Caller, Cloud, DeployRequest, EnvChange, LogQuery, RunRequest } from './cloud.ts';
export type { ClusterCloud, InviteRequest, LabelChange } from './cluster-cloud.ts';
export type { ConsoleAsset, ConsoleAssets, ConsoleView } from './console-assets.ts';
export type { DatabaseDoor, FilesDoor } from './database-door.ts';
export type * from './database-model.ts';
export type * from './model.ts';
export type * from './route-model.ts';
export type * from './storage-model.ts';
export { ApiServer, type ApiListenOptions, type ApiServerOptions } from './server.ts';
