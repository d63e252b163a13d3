/**
 * Whether all gateways of the cluster use the routes of a commit: the own ones, and by call those of every node that is
 * heard of. A node that falls silent meanwhile is not waited for: its gateways go on with older routes, and find the
 * way by themselves when an instance is gone.
 */
import { isMolnError, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { boolean, integer, object } from '../base/schema.ts';
import { type Clock, formatDuration, withDeadline } from '../base/time.ts';
import type { NodeMethods, PeerNode, Peers } from '../cluster/cluster.ts';
import type { Revision } from '../registry/registry.ts';

/** For all nodes together. */
const SETTLE_WITHIN_MS = 30_000;
/** What one call waits on the other node; then it is asked again. */
const WAIT_MS = 5_000;
/** For the way there and back. */
const CALL_SLACK_MS = 2_000;
const RETRY_MS = 200;

const METHOD = 'gateway.applied';
const paramsSchema = object({
  revision: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  waitMs: integer({ min: 0, max: WAIT_MS }),
});

const answerSchema = object({ isApplied: boolean() });

/** `RouteMirror.appliedAt`. */
type AppliedAt = (revision: Revision, signal: AbortSignal) => Promise<void>;

export interface GatewaysSettledOptions {
  readonly peers: Peers;
  readonly appliedAt: AppliedAt;
  readonly clock: Clock;
  readonly log: Logger;
  /** 30 s unless said. */
  readonly withinMs?: number;
}

export class GatewaysSettled {
  readonly #options: GatewaysSettledOptions;

  constructor(options: GatewaysSettledOptions) {
    this.#options = options;
  }

  /** Throws `NODE_GATEWAYS_BEHIND` with the nodes that did not follow in 30 s. */
  async settled(revision: Revision, signal?: AbortSignal): Promise<void> {
    const { peers, appliedAt, withinMs = SETTLE_WITHIN_MS } = this.#options;
    const waiting = new Set<string>();
    const late = (): MolnError => notSettled([...waiting], withinMs);
    await withDeadline(withinMs, late, async (deadline) => {
      const until = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
      const wait = async (node: PeerNode): Promise<void> => {
        waiting.add(node.name);
        if (node.id === peers.self) await appliedAt(revision, until);
        else await this.#applied(node.id, revision, until);
        waiting.delete(node.name);
      };
      await Promise.all(peers.all().filter(isServing).map(wait));
    });
  }

  /** Resolves also when the node is not heard of any more. */
  async #applied(nodeId: string, revision: Revision, signal: AbortSignal): Promise<void> {
    const { peers, clock, log } = this.#options;
    const gone = new AbortController();
    using _change = peers.onChange(() => {
      if (!isServing(peers.get(nodeId))) gone.abort();
    });
    const either = AbortSignal.any([signal, gone.signal]);
    while (isServing(peers.get(nodeId))) {
      try {
        if (await this.#ask(nodeId, revision, either)) return;
      } catch (error) {
        signal.throwIfAborted();
        // It is this node that does not belong here any more.
        if (isMolnError(error, 'CLUSTER_NODE_FORGOTTEN')) throw error;
        log.debug('A node does not say yet whether it uses the routes', { node: nodeId, error });
        // Ends early when nobody has to wait any more, which the loop sees.
        await clock.sleep(RETRY_MS, either).catch(() => undefined);
        signal.throwIfAborted();
      }
    }
  }

  async #ask(nodeId: string, revision: Revision, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#options.peers.call(
      nodeId,
      METHOD,
      { revision, waitMs: WAIT_MS },
      { deadlineMs: WAIT_MS + CALL_SLACK_MS, signal },
    );
    return answerSchema.decode(answer, METHOD).isApplied;
  }
}

/** What other nodes may ask this one. */
export function gatewayMethods(options: {
  readonly appliedAt: AppliedAt;
  readonly clock: Clock;
}): NodeMethods['methods'] {
  const { appliedAt, clock } = options;
  return {
    [METHOD]: async (params, { signal }) => {
      const { revision, waitMs } = paramsSchema.decode(params, METHOD);
      const late = new AbortController();
      using _timer = clock.after(waitMs, () => late.abort());
      try {
        await appliedAt(revision, AbortSignal.any([signal, late.signal]));
        return { isApplied: true };
      } catch (error) {
        if (!late.signal.aborted) throw error;
        return { isApplied: false };
      }
    },
  };
}

/** A node that is to be emptied still takes requests from outside. */
function isServing(node: PeerNode | undefined): boolean {
  return node?.state === 'ready' || node?.state === 'draining';
}

function notSettled(nodes: readonly string[], withinMs: number): MolnError {
  const message =
    `The gateways of ${nodes.map((name) => `"${name}"`).join(', ')} did not take the new ` +
    `routes in ${formatDuration(withinMs)}`;
  return new MolnError('NODE_GATEWAYS_BEHIND', message, {
    retryable: true,
    hint: 'Run "moln nodes" to see how they are, and read their logs/agent.jsonl',
  });
}
