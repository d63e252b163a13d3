/**
 * A node that comes back asks the others whether it is one of them still, before it takes part: it may have been forgotten
 * while it was away, or be of a version that does not go with theirs. The registry would let it in either way.
 */
import { isMolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import {
  connectNode,
  type Identity,
  misfitOf,
  type NodeAddress,
  spokenBy,
} from '../cluster/cluster.ts';

/** As many are asked; any of them knows. */
const ASKED_MAX = 5;
/** They may be away too: then the node starts, and asks again later. */
const ASK_WITHIN_MS = 2000;
const ASK_AGAIN_MS = 10_000;

/** `unknown`: nobody answered in time. */
export type Welcome = 'welcome' | 'unknown';

export interface WelcomeOptions {
  readonly identity: Identity;
  readonly version: string;
  readonly clock: Clock;
}

/** What the others answer to a node that they do not let in any more. */
export function isForgotten(error: unknown): boolean {
  return isMolnError(error, 'CLUSTER_NODE_FORGOTTEN');
}

/** Throws `CLUSTER_NODE_FORGOTTEN`, `CLUSTER_VERSION_TOO_OLD` or `CLUSTER_VERSION_TOO_NEW` when one of these nodes says so in time. */
export async function askIfWelcome(
  others: readonly NodeAddress[],
  { identity, version, clock }: WelcomeOptions,
): Promise<Welcome> {
  if (others.length === 0) return 'welcome';
  let welcome: Welcome = 'unknown';
  const ask = async (node: NodeAddress): Promise<void> => {
    await using client = connectNode({ identity, node, clock });
    let hello: unknown;
    try {
      hello = await client.call('hello', {}, { deadlineMs: ASK_WITHIN_MS });
    } catch (error) {
      if (isForgotten(error)) throw error;
      // Away, or not the node that it was: it knows nothing of this one.
      return;
    }
    const misfit = misfitOf(spokenBy(version), hello);
    if (misfit !== undefined) throw misfit;
    welcome = 'welcome';
  };
  const all = Promise.all(others.slice(0, ASKED_MAX).map(ask));
  await Promise.race([all, clock.sleep(ASK_WITHIN_MS)]);
  return welcome;
}

export interface LateWelcomeOptions extends WelcomeOptions {
  readonly others: () => readonly NodeAddress[];
  readonly onRefused: (error: unknown) => void;
}

/** When nobody answered at the start: asks until somebody does. */
export class LateWelcome implements Worker {
  readonly name = 'welcome';
  readonly #options: LateWelcomeOptions;

  constructor(options: LateWelcomeOptions) {
    this.#options = options;
  }

  status(): string {
    return 'Waits for another node that answers';
  }

  async step(): Promise<StepResult> {
    const { others, onRefused } = this.#options;
    try {
      const welcome = await askIfWelcome(others(), this.#options);
      return welcome === 'welcome' ? { kind: 'done' } : { kind: 'idle', retryInMs: ASK_AGAIN_MS };
    } catch (error) {
      onRefused(error);
      return { kind: 'done' };
    }
  }
}
