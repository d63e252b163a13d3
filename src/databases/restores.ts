/**
 * Databases that are being made of what another one had at a time. Until there is a record of it such a database counts as dropped, so
 * nothing is left of one that this node began and did not end.
 */
import { randomId } from '../base/ids.ts';
import type { Clock } from '../base/time.ts';
import type { Collection, Condition, Operation } from '../registry/registry.ts';
import type { Restored } from './control.ts';
import type { DroppedRecord } from './records.ts';

/** Part of the commit that makes its record. */
export interface Claim {
  readonly conditions: readonly Condition[];
  readonly operations: readonly Operation[];
}

export interface RestoresOptions {
  readonly dropped: Collection<DroppedRecord>;
  readonly clock: Clock;
}

export class Restores {
  readonly #options: RestoresOptions;
  /** Ids. */
  readonly #underWay = new Set<string>();

  constructor(options: RestoresOptions) {
    this.#options = options;
  }

  /** Ids of which nothing is to be left. */
  async dropped(): Promise<readonly string[]> {
    const ids = (await this.#options.dropped.list()).map(({ id }) => id);
    return ids.filter((id) => !this.#underWay.has(id));
  }

  /**
   * `ask`: the process of this node makes the beginning of the new database. `enter` makes its record, by one commit that has the claim in it.
   */
  async make(
    as: string,
    ask: (id: string) => Promise<Restored>,
    enter: (id: string, restored: Restored, claim: Claim) => Promise<void>,
  ): Promise<Restored> {
    const { dropped, clock } = this.#options;
    const id = randomId();
    this.#underWay.add(id);
    try {
      const { revision } = await dropped.create(id, { name: as, at: clock.now() });
      const restored = await ask(id);
      const key = dropped.keyOf(id);
      await enter(id, restored, {
        conditions: [{ key, revision }],
        operations: [{ kind: 'delete', key }],
      });
      return restored;
    } finally {
      this.#underWay.delete(id);
    }
  }
}
