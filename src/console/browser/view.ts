/** What pages are given. */
import type { AppDetail, EventDetail, RouteDetail, Status } from '../../api/model.ts';
import type { LiveState } from './live-feed.ts';

/** What came with the page itself, so that something true is shown at once. */
export interface FirstData {
  readonly status?: Status;
  readonly app?: AppDetail;
  /** Oldest first. */
  readonly events?: readonly EventDetail[];
  readonly routes?: readonly RouteDetail[];
}

/** The last status, the samples, and whether the node still answers. */
export interface View {
  readonly first: FirstData;
  readonly status: Status;
  readonly live: LiveState;
  /** Asks for the status now instead of at the next turn. */
  readonly refresh: () => void;
}
