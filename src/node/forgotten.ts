/** A node that was forgotten while it was away learns of it from the others, since the registry does not let it in any more. */
import { isMolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { connectNode, type Identity, type NodeAddress } from '../cluster/cluster.ts';

/** As many are asked; any of them knows. */
const ASKED_MAX = 5;
/** They may be away too: then the node starts, and asks again later. */
const ASK_WITHIN_MS = 2000;

/** What the others answer to a node that they do not let in any more. */
export function isForgotten(error: unknown): boolean {
  return isMolnError(error, 'CLUSTER_NODE_FORGOTTEN');
}

/** Throws `CLUSTER_NODE_FORGOTTEN` when one of these nodes says so in time. */
export async function refuseIfForgotten(
  others: readonly NodeAddress[],
  { identity, clock }: { readonly identity: Identity; readonly clock: Clock },
): Promise<void> {
  const ask = async (node: NodeAddress): Promise<void> => {
    await using client = connectNode({ identity, node, clock });
    try {
      await client.connect();
    } catch (error) {
      if (isForgotten(error)) throw error;
      // Away, or not the node that it was: it knows nothing of this one.
    }
  };
  const all = Promise.all(others.slice(0, ASKED_MAX).map(ask));
  await Promise.race([all, clock.sleep(ASK_WITHIN_MS)]);
}
