/**
 * The rotation of the authority in the registry: `/authority/at/now` says how far it is, `/authority/nodes/<id>` what each
 * node has acknowledged. `/authority/joins/now` is written with every node that comes in, so that the leader makes no move
 * that such a node could miss. Format 1 all.
 */
import { array, integer, literal, object, optional, type Schema, string } from '../base/schema.ts';
import { Collection, type Registry, type Stored } from '../registry/registry.ts';
import { fingerprintOf } from './certificate.ts';
import type { Redemption } from './invites.ts';
import type { Acknowledgement, AuthorityPair, RotationStep } from './rotation.ts';

export interface Rotation {
  readonly step: RotationStep;
  /** Half a sentence, for people. */
  readonly why: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Undefined until there is a new one. */
  readonly certificates?: RotationCertificates | undefined;
}

/** PEM. */
export interface RotationCertificates {
  readonly from: string;
  readonly to: string;
  /** The word of the former one for the new one, without which no node trusts it. */
  readonly endorsement: string;
}

const rotationSchema: Schema<Rotation> = object({
  step: literal('asked', 'trust', 'renew', 'drop', 'done'),
  why: string(),
  startedAt: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  certificates: optional(object({ from: string(), to: string(), endorsement: string() })),
});

const fingerprints = array(string(), { itemsMax: 10 });

const acknowledgementSchema: Schema<Acknowledgement> = object({
  trusts: fingerprints,
  issuer: string(),
  keys: fingerprints,
  etcd: optional(fingerprints),
});

const joinSchema = object({ id: string() });

export function pairOf(rotation: Rotation | undefined): AuthorityPair | undefined {
  const { certificates } = rotation ?? {};
  if (certificates === undefined) return undefined;
  return { from: fingerprintOf(certificates.from), to: fingerprintOf(certificates.to) };
}

/** A rotation as it was read, and what has to be unchanged when it moves on. */
export interface RotationView {
  readonly rotation: Rotation | undefined;
  readonly revision: number;
  readonly joinsRevision: number;
}

export class RotationRecords {
  readonly #registry: Registry;
  readonly #rotations: Collection<Rotation>;
  readonly #acknowledgements: Collection<Acknowledgement>;
  readonly #joins: Collection<{ readonly id: string }>;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#rotations = new Collection({
      registry,
      prefix: '/authority/at/',
      schema: rotationSchema,
    });
    this.#acknowledgements = new Collection({
      registry,
      prefix: '/authority/nodes/',
      schema: acknowledgementSchema,
    });
    this.#joins = new Collection({ registry, prefix: '/authority/joins/', schema: joinSchema });
  }

  async rotation(): Promise<Rotation | undefined> {
    return (await this.#rotations.get('now'))?.value;
  }

  /** To be read before the members are. */
  async view(): Promise<RotationView> {
    const [rotation, joins] = await Promise.all([
      this.#rotations.get('now'),
      this.#joins.get('now'),
    ]);
    return {
      rotation: rotation?.value,
      revision: rotation?.revision ?? 0,
      joinsRevision: joins?.revision ?? 0,
    };
  }

  /** False when it was changed, or a node came in, since it was read. */
  async move(since: RotationView, next: Rotation): Promise<boolean> {
    const result = await this.#registry.commit(
      [
        { key: this.#rotations.keyOf('now'), revision: since.revision },
        { key: this.#joins.keyOf('now'), revision: since.joinsRevision },
      ],
      [this.#rotations.putOperation('now', next)],
    );
    return result.kind === 'committed';
  }

  /**
   * What belongs into the commit by which a node comes in. To be read before its certificate is signed: a rotation that
   * moves on meanwhile has it signed again.
   */
  async joining(id: string): Promise<Redemption> {
    const known: Stored<Rotation> | undefined = await this.#rotations.get('now');
    return {
      conditions: [{ key: this.#rotations.keyOf('now'), revision: known?.revision ?? 0 }],
      operations: [this.#joins.putOperation('now', { id })],
    };
  }

  /** Now and after each change, until the signal aborts. */
  async *watch(signal: AbortSignal): AsyncGenerator<Rotation | undefined, void, undefined> {
    for await (const { records } of this.#rotations.watch(signal)) yield records.get('now');
  }

  /** By node id. */
  async acknowledgements(): Promise<ReadonlyMap<string, Acknowledgement>> {
    const all = await this.#acknowledgements.list();
    return new Map(all.map(({ id, value }) => [id, value]));
  }

  async acknowledge(nodeId: string, said: Acknowledgement): Promise<void> {
    await this.#acknowledgements.put(nodeId, said);
  }

  /** Of nodes that are not there any more. */
  async sweep(nodeIds: readonly string[]): Promise<void> {
    for (const { id } of await this.#acknowledgements.list()) {
      if (!nodeIds.includes(id)) await this.#acknowledgements.delete(id);
    }
  }
}
