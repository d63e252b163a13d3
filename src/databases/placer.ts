/** The leader's duty for databases: keeps the copies of stripes on enough nodes that are well. What it decides is `places.ts`. */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { duringTerm, type LeaderTerm, type Peers } from '../cluster/cluster.ts';
import type { Registry } from '../registry/registry.ts';
import type { DatabaseState } from './control.ts';
import { COPY_LAG_MAX } from './limits.ts';
import { decidePlaces, type PlacesInput } from './places.ts';
import { databaseRecords, type PlacesRecord, placesRecords } from './records.ts';

export interface DatabasePlacerOptions {
  /** The live one: never a mirror. */
  readonly registry: Registry;
  readonly peers: Pick<Peers, 'all'>;
  /** What each node's process says, by the node's id; who does not answer is left out. */
  readonly states: () => Promise<ReadonlyMap<string, readonly DatabaseState[]>>;
  readonly clock: Clock;
  readonly log: Logger;
}

const LOOK_EVERY_MS = 1000;

export class DatabasePlacer {
  readonly name = 'databases';
  readonly #options: DatabasePlacerOptions;

  constructor(options: DatabasePlacerOptions) {
    this.#options = options;
  }

  async lead(term: LeaderTerm): Promise<void> {
    const { clock, peers, registry } = this.#options;
    const { signal } = term;
    while (!signal.aborted) {
      // Alone there is nothing to choose.
      if (peers.all().length > 1) await this.#look(duringTerm(registry, term));
      await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
    }
  }

  async #look(registry: Registry): Promise<void> {
    const { peers, states, log } = this.#options;
    const databases = await databaseRecords(registry).list();
    if (databases.length === 0) return;
    const records = placesRecords(registry);
    const places = new Map((await records.list()).map((one) => [one.id, one]));
    const nodes = peers.all();
    let said: ReadonlyMap<string, readonly DatabaseState[]> | undefined;
    for (const { id: name, value: record } of databases) {
      const stored = places.get(record.id);
      if (stored === undefined) continue;
      const decide = (isCurrent: PlacesInput['isCurrent']): PlacesRecord => {
        return {
          stripes: decidePlaces({ record, places: stored.value.stripes, nodes, isCurrent }),
        };
      };
      const isNew = ({ stripes }: PlacesRecord): boolean =>
        stripes.some((each, at) => each !== stored.value.stripes[at]);
      // Whether copies are current is asked only when it matters.
      if (!isNew(decide(() => false)) && !isNew(decide(() => true))) continue;
      said ??= await states();
      const known = said;
      const next = decide((stripe, node) => isCurrent(known.get(node), record.id, stripe));
      if (!isNew(next)) continue;
      await records.put(record.id, next, { ifRevision: stored.revision });
      log.info('Copies of a database are placed anew', { database: name, places: next.stripes });
    }
  }
}

function isCurrent(
  states: readonly DatabaseState[] | undefined,
  database: string,
  stripe: number,
): boolean {
  const found = states
    ?.find(({ id }) => id === database)
    ?.stripes.find(({ number }) => number === stripe);
  return found !== undefined && found.head - found.applied <= COPY_LAG_MAX;
}
