/**
 * What nodes have yet to remove of apps that are gone: `/app-removals/<node>/<app>`, format 1. Written in the commit that
 * removes the app, deleted by that node alone, once nothing of the app is left on it. That an app is absent from the
 * registry says nothing: a node may read an old copy, and a takeover may have lost it.
 */
import { array, integer, object, type Schema } from '../base/schema.ts';
import {
  Collection,
  type Condition,
  type Operation,
  type Registry,
  type Stored,
} from '../registry/registry.ts';
import type { App } from './model.ts';

export interface Removal {
  /** Of the apps of that name: more than one when it was made and removed again while the node was away. */
  readonly uids: readonly number[];
}

const PREFIX = '/app-removals/';

const removalSchema: Schema<Removal> = object({
  uids: array(integer({ min: 0, max: 0xffff_ffff })),
});

export class Removals {
  readonly #registry: Registry;
  readonly #records: Collection<Removal>;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#records = new Collection({ registry, prefix: PREFIX, schema: removalSchema });
  }

  /** Names of the apps that a node has yet to remove, as far as is known here. */
  async of(node: string): Promise<readonly string[]> {
    const prefix = removalsPrefix(node);
    const { entries } = await this.#registry.list(prefix);
    return entries.map(({ key }) => key.slice(prefix.length));
  }

  /** Uids whose processes and files may still be on some node. */
  async uids(): Promise<readonly number[]> {
    return (await this.#records.list()).flatMap(({ value }) => value.uids);
  }

  /** As far as is known here: a copy that is read meanwhile may be behind. */
  async isKnown(node: string, app: string): Promise<boolean> {
    return (await this.#records.get(idOf(node, app))) !== undefined;
  }

  /**
   * As the managers have it at this moment: nothing may be deleted, or handed on, by an old copy. Throws
   * `REGISTRY_UNAVAILABLE` while none answers.
   */
  async due(node: string, app: string): Promise<Stored<Removal> | undefined> {
    const id = idOf(node, app);
    for (;;) {
      const stored = await this.#records.get(id);
      const condition = { key: this.#records.keyOf(id), revision: stored?.revision ?? 0 };
      const { kind } = await this.#registry.commit([condition], []);
      if (kind === 'committed') return stored;
    }
  }

  /** Nothing is left on the node. False when there is more to remove by now. */
  async done({ id, revision }: Stored<Removal>): Promise<boolean> {
    const key = this.#records.keyOf(id);
    const result = await this.#registry.commit([{ key, revision }], [{ kind: 'delete', key }]);
    return result.kind === 'committed';
  }

  /** What enters the app for these nodes, as a part of a commit. */
  async entered(
    app: Pick<App, 'name' | 'uid'>,
    nodes: readonly string[],
  ): Promise<{ readonly conditions: readonly Condition[]; readonly operations: Operation[] }> {
    const ids = nodes.map((node) => idOf(node, app.name));
    const known = await Promise.all(ids.map((id) => this.#records.get(id)));
    return {
      conditions: ids.map((id, at) => ({
        key: this.#records.keyOf(id),
        revision: known[at]?.revision ?? 0,
      })),
      operations: ids.map((id, at) => {
        const uids = new Set([...(known[at]?.value.uids ?? []), app.uid]);
        return this.#records.putOperation(id, { uids: [...uids] });
      }),
    };
  }
}

/** Of all removals of one node; what follows is the app. */
export function removalsPrefix(node: string): string {
  return `${PREFIX}${node}/`;
}

/** Of a node that is forgotten: nobody waits for it any more. */
export function removalsGone(node: string): Operation {
  return { kind: 'deletePrefix', prefix: removalsPrefix(node) };
}

function idOf(node: string, app: string): string {
  return `${node}/${app}`;
}
