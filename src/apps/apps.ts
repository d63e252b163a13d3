/** The door of apps: everything that other parts may use. */
export type { AppServices } from './app-context.ts';
export type { AppRoute, AppTarget, AppUpstream, Router, UpstreamLoad } from './app-route.ts';
export { hostsOf } from './app-route.ts';
export {
  AppRoutes,
  type AppRoutesOptions,
  type ComposedRoute,
  type ComposedRoutes,
  type RoutePeer,
} from './app-routes.ts';
export type { RouteReport } from './compose-route.ts';
export { packFolder } from './archive.ts';
export type { Sealer } from './app-store.ts';
export type { AppState, AppView, InstanceView } from './app-view.ts';
export type { EnvChange } from './app-wishes.ts';
export {
  chooseDriver,
  type DriverChoice,
  type DriverFacts,
  gatherDriverFacts,
} from './choose-driver.ts';
export type { RunOutput } from './command-stream.ts';
export { Apps, type AppsOptions } from './controller.ts';
export type { DeployRequest } from './deploy.ts';
export type { Driver } from './driver.ts';
export type { LogLine, LogRequest } from './log-reader.ts';
export { APP_NAME, APP_NAME_MEANS } from './model.ts';
export type {
  App,
  Deployment,
  DriverName,
  Instance,
  InstanceAddress,
  InstanceState,
  LaunchPlan,
  Release,
} from './model.ts';
export { removalsGone } from './removals.ts';
export type { RunRequest } from './one-off.ts';
export type { OperationResult, Progress } from './operations.ts';
export { findTools, type Tools } from './tools.ts';
export type { Vault } from './release-vault.ts';
export type { Workers } from './workers.ts';
