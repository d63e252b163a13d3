/**
 * What the registry keeps of apps: `/apps/<app>`, `/releases/<app>/<release>`, `/secrets/<app>/<NAME>` (sealed) and
 * `/app-uids/<uid>` (so that two apps never get one uid). What belongs together is one commit.
 */
import { Collection, type Operation, type Registry, type Stored } from '../registry/registry.ts';
import { assignmentRecords, type Slot, type Slots } from './slots.ts';
import type { App, Release } from './model.ts';
import { Removals } from './removals.ts';
import { appConflict, appNotFound } from './run-errors.ts';

/** Encrypts secrets; the context binds a sealed value to its place. */
export interface Sealer {
  seal(plain: string, context: string): Uint8Array;
  open(sealed: Uint8Array, context: string): string;
}

/** Everything that one operation changes at once. */
export interface AppChange {
  readonly app: App;
  /** Revision at which the app was read; 0 for a new one. */
  readonly revision: number;
  readonly release?: Release;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly secretsGone?: readonly string[];
  readonly releasesGone?: readonly string[];
  /** Where its instances belong, in place of what is at `revision`. */
  readonly slots?: { readonly slots: readonly Slot[]; readonly revision: number };
}

/** Rounds of a removal that meet other changes before it gives up. */
const REMOVE_ROUNDS_MAX = 20;

export class AppStore {
  /** What nodes have yet to remove. */
  readonly removals: Removals;
  readonly #registry: Registry;
  readonly #sealer: Sealer;
  readonly #apps: Collection<App>;
  readonly #assignments: Collection<Slots>;

  constructor(options: { readonly registry: Registry; readonly sealer: Sealer }) {
    this.removals = new Removals(options.registry);
    this.#registry = options.registry;
    this.#sealer = options.sealer;
    this.#assignments = assignmentRecords(options.registry);
    this.#apps = new Collection<App>({
      registry: options.registry,
      prefix: '/apps/',
      schema: (value) => value as App,
    });
  }

  /** Where the instances of an app belong. */
  async slots(
    app: string,
  ): Promise<{ readonly slots: readonly Slot[]; readonly revision: number }> {
    const stored = await this.#assignments.get(app);
    return { slots: stored?.value.slots ?? [], revision: stored?.revision ?? 0 };
  }

  /** Throws `REGISTRY_UNAVAILABLE` while no manager answers: reading alone would not tell. */
  async mustAnswer(): Promise<void> {
    await this.#registry.commit([], []);
  }

  /** All apps, by name. */
  async list(): Promise<readonly App[]> {
    return (await this.#apps.list()).map((stored) => stored.value);
  }

  async find(name: string): Promise<Stored<App> | undefined> {
    return this.#apps.get(name);
  }

  /** Throws `APPS_NOT_FOUND` with the nearest name. */
  async get(name: string): Promise<Stored<App>> {
    const stored = await this.#apps.get(name);
    if (stored !== undefined) return stored;
    throw appNotFound(
      name,
      (await this.list()).map((app) => app.name),
    );
  }

  async release(app: string, id: string): Promise<Release | undefined> {
    return (await this.#releases(app).get(id))?.value;
  }

  /** Whether the managers have no such release at this moment: what is read may be an old copy. Throws `REGISTRY_UNAVAILABLE` while none answers. */
  async isReleaseGone(app: string, id: string): Promise<boolean> {
    const condition = { key: this.#releases(app).keyOf(id), revision: 0 };
    return (await this.#registry.commit([condition], [])).kind === 'committed';
  }

  /** Newest first. */
  async releases(app: string): Promise<readonly Release[]> {
    const all = (await this.#releases(app).list()).map((stored) => stored.value);
    return all.toSorted((a, b) => b.createdAt - a.createdAt);
  }

  /** The opened secrets of an app. */
  async secrets(app: string): Promise<Readonly<Record<string, string>>> {
    const prefix = secretKey(app, '');
    const { entries } = await this.#registry.list(prefix);
    return Object.fromEntries(
      entries.map(({ key, value }) => [key.slice(prefix.length), this.#sealer.open(value, key)]),
    );
  }

  /** All or nothing; throws `APPS_CONFLICT` when the app is not what it was. Returns the new revision. */
  async commit(change: AppChange): Promise<number> {
    const { app, revision } = change;
    const conditions = [{ key: this.#apps.keyOf(app.name), revision }];
    const operations: Operation[] = [this.#apps.putOperation(app.name, app)];
    if (revision === 0) {
      const key = uidKey(app.uid);
      conditions.push({ key, revision: 0 });
      operations.push({ kind: 'put', key, value: Buffer.from(app.name) });
    }
    if (change.release !== undefined) {
      operations.push(this.#releases(app.name).putOperation(change.release.id, change.release));
    }
    if (change.slots !== undefined) {
      const { slots, revision: at } = change.slots;
      conditions.push({ key: this.#assignments.keyOf(app.name), revision: at });
      operations.push(this.#assignments.putOperation(app.name, { slots }));
    }
    for (const [name, plain] of Object.entries(change.secrets ?? {})) {
      const key = secretKey(app.name, name);
      operations.push({ kind: 'put', key, value: this.#sealer.seal(plain, key) });
    }
    for (const name of change.secretsGone ?? []) {
      operations.push({ kind: 'delete', key: secretKey(app.name, name) });
    }
    for (const id of change.releasesGone ?? []) {
      operations.push({ kind: 'delete', key: this.#releases(app.name).keyOf(id) });
    }
    const result = await this.#registry.commit(conditions, operations);
    if (result.kind === 'conflict') throw appConflict(app.name);
    return result.revision;
  }

  /**
   * Forgets the app and everything kept about it, and says of each of these nodes that it has yet to remove what is on it.
   * Nothing happens when the app is gone, or is another one by now.
   */
  async remove({ name, uid }: App, nodes: readonly string[]): Promise<void> {
    const key = this.#apps.keyOf(name);
    for (let round = 0; round < REMOVE_ROUNDS_MAX; round++) {
      const stored = await this.#apps.get(name);
      const { conditions, operations } = await this.removals.entered({ name, uid }, nodes);
      const isGone = stored?.value.uid !== uid;
      const result = await this.#registry.commit(
        isGone
          ? [{ key, revision: stored?.revision ?? 0 }]
          : [...conditions, { key, revision: stored.revision }],
        isGone
          ? []
          : [
              ...operations,
              { kind: 'delete', key },
              { kind: 'delete', key: uidKey(uid) },
              { kind: 'delete', key: this.#assignments.keyOf(name) },
              { kind: 'deletePrefix', prefix: this.#releases(name).prefix },
              { kind: 'deletePrefix', prefix: secretKey(name, '') },
            ],
      );
      if (result.kind === 'committed') return;
    }
    throw appConflict(name);
  }

  /** An app that came to nothing left something on these nodes. False when there is an app of that name. */
  async leftOn(app: App, nodes: readonly string[]): Promise<boolean> {
    const { conditions, operations } = await this.removals.entered(app, nodes);
    const absent = { key: this.#apps.keyOf(app.name), revision: 0 };
    const result = await this.#registry.commit([...conditions, absent], operations);
    return result.kind === 'committed';
  }

  #releases(app: string): Collection<Release> {
    return new Collection<Release>({
      registry: this.#registry,
      prefix: `/releases/${app}/`,
      schema: (value) => value as Release,
    });
  }
}

function secretKey(app: string, name: string): string {
  return `/secrets/${app}/${name}`;
}

/** Of the uid of an app. */
export function uidKey(uid: number): string {
  return `/app-uids/${uid}`;
}
