/**
 * What instances on other nodes use, asked when somebody looks: it changes all the time, so it is no part of what nodes report to
 * the registry.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { integer, object, record, type Schema } from '../base/schema.ts';
import type { NodeMethods, Peers } from '../cluster/cluster.ts';
import type { InstanceSupervisor } from './instance-supervisor.ts';
import { processTable } from './process-table.ts';

const METHOD = 'apps.memory';
/** Whoever looks waits no longer for a figure that is not there. */
const ANSWER_WITHIN_MS = 1000;

/** Bytes by instance. */
export type FarMemory = Readonly<Record<string, number>>;

const answerSchema: Schema<{ readonly bytes: FarMemory }> = object({
  bytes: record(integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
});

/** Of all instances of these nodes, as far as they answer; this node's own are not among them. */
export async function farMemory(
  { peers, log }: { readonly peers: Peers; readonly log: Logger },
  nodes: ReadonlySet<string>,
): Promise<FarMemory> {
  const heard = peers
    .all()
    .filter(({ state }) => state === 'ready' || state === 'draining')
    .filter(({ id }) => id !== peers.self && nodes.has(id));
  const all = await Promise.all(
    heard.map(async ({ id, name }) => {
      try {
        const answer = await peers.call(id, METHOD, {}, { deadlineMs: ANSWER_WITHIN_MS });
        return answerSchema.decode(answer, METHOD).bytes;
      } catch (error) {
        // The rest of the status is good without it.
        log.debug('A node does not say what its instances use', {
          node: name,
          reason: messageOf(error),
        });
        return {};
      }
    }),
  );
  return Object.assign({}, ...all) as FarMemory;
}

/** What other nodes may ask this one. */
export function memoryMethods(supervisor: InstanceSupervisor): NodeMethods['methods'] {
  return {
    [METHOD]: async () => {
      const table = processTable();
      const used = supervisor.list().flatMap((each) => {
        const bytes = each.memoryBytes(table);
        return bytes === undefined ? [] : [[each.id, bytes] as const];
      });
      return { bytes: Object.fromEntries(used) };
    },
  };
}
