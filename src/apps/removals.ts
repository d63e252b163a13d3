/**
 * What nodes have yet to remove of apps that are gone: `/app-removals/<node>/<app>`, format 1. Written in the commit that
 * removes the app, deleted by that node alone, once nothing of the app is left on it. That an app is absent from the
 * registry says nothing: a node may read an old copy, and a takeover may have lost it.
 *
 * On more nodes than one commit has room for, that commit writes them down as a plan, `/app-removals-planned/<app>`, format 1.
 * Whoever looks what is due of the app carries it out, a part at a time, so that nobody has to be there to the end.
 */
import { array, integer, object, type Schema, string } from '../base/schema.ts';
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

/** What is still to be told to nodes, by app: more than one when it was made and removed again meanwhile. */
interface Plan {
  readonly removals: readonly { readonly uid: number; readonly nodes: readonly string[] }[];
}

const PREFIX = '/app-removals/';
export const PLANNED_PREFIX = '/app-removals-planned/';
/** Entries of one commit: a condition and an operation each, and room for what else belongs into it (`OPERATIONS_MAX`). */
const NODES_AT_ONCE = 100;
const NODES_MAX = 100_000;
const uidSchema = integer({ min: 0, max: 0xffff_ffff });

const removalSchema: Schema<Removal> = object({
  uids: array(uidSchema),
});

const planSchema: Schema<Plan> = object({
  removals: array(object({ uid: uidSchema, nodes: array(string(), { itemsMax: NODES_MAX }) })),
});

export class Removals {
  readonly #registry: Registry;
  readonly #records: Collection<Removal>;
  readonly #plans: Collection<Plan>;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#plans = new Collection({ registry, prefix: PLANNED_PREFIX, schema: planSchema });
    this.#records = new Collection({ registry, prefix: PREFIX, schema: removalSchema });
  }

  /** Names of the apps that a node has yet to remove, as far as is known here. */
  async of(node: string): Promise<readonly string[]> {
    const prefix = removalsPrefix(node);
    const { entries } = await this.#registry.list(prefix);
    const told = entries.map(({ key }) => key.slice(prefix.length));
    const planned = (await this.#plans.list()).filter(({ value }) => isPlanned(value, node));
    return [...new Set([...told, ...planned.map(({ id }) => id)])];
  }

  /** Uids whose processes and files may still be on some node. */
  async uids(): Promise<readonly number[]> {
    const planned = (await this.#plans.list()).flatMap(({ value }) => value.removals);
    // Read after the plans: what leaves them enters here.
    const told = (await this.#records.list()).flatMap(({ value }) => value.uids);
    return [...told, ...planned.map(({ uid }) => uid)];
  }

  /** As far as is known here: a copy that is read meanwhile may be behind. */
  async isKnown(node: string, app: string): Promise<boolean> {
    const plan = await this.#plans.get(app);
    if (plan !== undefined && isPlanned(plan.value, node)) return true;
    return (await this.#records.get(idOf(node, app))) !== undefined;
  }

  /**
   * As the managers have it at this moment: nothing may be deleted, or handed on, by an old copy. Throws
   * `REGISTRY_UNAVAILABLE` while none answers.
   */
  async due(node: string, app: string): Promise<Stored<Removal> | undefined> {
    const id = idOf(node, app);
    for (;;) {
      const plan = await this.#plans.get(app);
      if (plan !== undefined) {
        await this.#carryOut(plan);
        continue;
      }
      const stored = await this.#records.get(id);
      const conditions = [
        { key: this.#plans.keyOf(app), revision: 0 },
        { key: this.#records.keyOf(id), revision: stored?.revision ?? 0 },
      ];
      const { kind } = await this.#registry.commit(conditions, []);
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
  async entered(app: Pick<App, 'name' | 'uid'>, nodes: readonly string[]): Promise<CommitPart> {
    if (nodes.length <= NODES_AT_ONCE) return this.#told(app, nodes);
    const plan = await this.#plans.get(app.name);
    const removals = [...(plan?.value.removals ?? []), { uid: app.uid, nodes }];
    return {
      conditions: [{ key: this.#plans.keyOf(app.name), revision: plan?.revision ?? 0 }],
      operations: [this.#plans.putOperation(app.name, { removals })],
    };
  }

  /** The next part of a plan. Nothing happens when somebody else has done it. */
  async #carryOut({ id: name, value, revision }: Stored<Plan>): Promise<void> {
    const [{ uid, nodes } = { uid: 0, nodes: [] }, ...later] = value.removals;
    const key = this.#plans.keyOf(name);
    const left = nodes.slice(NODES_AT_ONCE);
    const removals = left.length === 0 ? later : [{ uid, nodes: left }, ...later];
    const told = await this.#told({ name, uid }, nodes.slice(0, NODES_AT_ONCE));
    await this.#registry.commit(
      [...told.conditions, { key, revision }],
      [
        ...told.operations,
        removals.length === 0
          ? { kind: 'delete', key }
          : this.#plans.putOperation(name, { removals }),
      ],
    );
  }

  async #told(app: Pick<App, 'name' | 'uid'>, nodes: readonly string[]): Promise<CommitPart> {
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

interface CommitPart {
  readonly conditions: readonly Condition[];
  readonly operations: readonly Operation[];
}

function isPlanned({ removals }: Plan, node: string): boolean {
  return removals.some(({ nodes }) => nodes.includes(node));
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
