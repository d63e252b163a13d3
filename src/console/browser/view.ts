/** What every page is given: the last status, the samples and whether the node still answers. */
import type { Status } from '../../api/model.ts';
import type { LiveState } from './live-feed.ts';

export interface View {
  readonly status: Status;
  readonly live: LiveState;
  /** Asks for the status now instead of at the next turn. */
  readonly refresh: () => void;
}
