/**
 * Who leads: `/leader/now` lives as long as the leader's lease and is never rewritten while one leads, so that its
 * revision is the fencing token. `/leader/last` stays, and says how the last one ended. Format 1 both.
 */
import { integer, literal, object, type Schema, string } from '../base/schema.ts';
import { Collection, type Registry, type Revision } from '../registry/registry.ts';

export const LEADER_PREFIX = '/leader/';
export const LEADER_KEY = '/leader/now';

export interface LeaderRecord {
  readonly nodeId: string;
  readonly nodeName: string;
  /** One per start of the agent. */
  readonly incarnation: string;
  /** Epoch milliseconds by the leader's clock; for people. */
  readonly sinceMs: number;
  /** Why it leads: "n1 did not renew its lease". */
  readonly why: string;
  readonly ended: 'not' | 'resigned';
}

const leaderSchema: Schema<LeaderRecord> = object({
  nodeId: string(),
  nodeName: string(),
  incarnation: string(),
  sinceMs: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  why: string(),
  ended: literal('not', 'resigned'),
});

export function leaderRecords(registry: Registry): Collection<LeaderRecord> {
  return new Collection({ registry, prefix: LEADER_PREFIX, schema: leaderSchema });
}

/** For `moln manager`. */
export interface LeaderFacts {
  readonly leader:
    | (Pick<LeaderRecord, 'nodeId' | 'nodeName' | 'sinceMs' | 'why'> & { readonly token: Revision })
    | undefined;
  /** One sentence. */
  readonly summary: string;
}

export async function leaderFacts(registry: Registry): Promise<LeaderFacts> {
  const records = leaderRecords(registry);
  const now = await records.get('now');
  if (now !== undefined) {
    const { nodeId, nodeName, sinceMs, why } = now.value;
    const leader = { nodeId, nodeName, sinceMs, why, token: now.revision };
    return { leader, summary: `${nodeName} leads: ${why}` };
  }
  const last = await records.get('last');
  const summary = last === undefined ? 'Nobody has led yet' : `Nobody leads: ${endOf(last.value)}`;
  return { leader: undefined, summary };
}

/** How the last leader's time ended. */
export function endOf({ nodeName, ended }: LeaderRecord): string {
  return ended === 'resigned' ? `${nodeName} resigned` : `${nodeName} did not renew its lease`;
}
