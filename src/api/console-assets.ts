/** What the API needs of the console's server side; the composition root hands it in. */
import type { Caller } from './cloud.ts';
import type { AppDetail, EventDetail, NodeStatus, RouteDetail, Status } from './model.ts';

export interface ConsoleAsset {
  readonly body: Uint8Array;
  readonly type: string;
  readonly cacheControl: string;
  /** With its quotes (RFC 9110 §8.8.3). */
  readonly etag: string;
}

/** What the first HTML of a page shows before, or without, any script. */
export interface ConsoleView {
  /** `/`, `/apps/NAME`, `/nodes`, `/nodes/NAME`, `/routes`, `/gateway`, `/events`, `/settings`. */
  readonly path: string;
  readonly caller: Caller;
  readonly status: Status;
  /** On an app's page, when there is such an app. */
  readonly app: AppDetail | undefined;
  /** On a node's page, when there is such a node. */
  readonly node: NodeStatus | undefined;
  /** On the page of events, oldest first. */
  readonly events: readonly EventDetail[] | undefined;
  /** On the page of routes. */
  readonly routes: readonly RouteDetail[] | undefined;
}

export interface ConsoleAssets {
  /** A file of the build; public, because it is the same for everybody. */
  asset(path: string): ConsoleAsset | undefined;
  page(view: ConsoleView): string;
  /** `reason`: one sentence of why nobody is logged in. */
  loginPage(reason: string): string;
}
