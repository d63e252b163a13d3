/**
 * The leader's work as plans: short lists of idempotent steps, written down before the first one is done, so that
 * the next leader goes on where this one stopped. A step may be done twice (a leader can die between doing and writing it
 * down), never skipped; only the leader in office can write down that it is done.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import { array, integer, literal, object, type Schema, string } from '../base/schema.ts';
import { Collection, type Registry, type Stored } from '../registry/registry.ts';
import { planTooLong, stepUnknown } from './errors.ts';
import type { LeaderTerm } from './leader.ts';

export const PLANS_PREFIX = '/plans/';
export const PLAN_STEPS_MAX = 100;

export interface PlanStep {
  /** The handler's name: `move-instance`. */
  readonly name: string;
  /** JSON, handed to the handler as it is. */
  readonly input: string;
  readonly state: 'todo' | 'doing' | 'done';
  readonly attempts: number;
  /** The last failure in words, or empty. */
  readonly failure: string;
}

export interface Plan {
  /** For people: "Drain n3". */
  readonly title: string;
  readonly createdMs: number;
  readonly steps: readonly PlanStep[];
}

export interface StepContext {
  readonly term: LeaderTerm;
  readonly plan: string;
  readonly attempts: number;
}

/** Has to be idempotent. A throw leaves the step to be tried again. */
export type StepHandler = (input: unknown, context: StepContext) => Promise<void>;

export type PlanProgress =
  /** A step was done; there may be more. */
  | { readonly kind: 'stepped'; readonly plan: string; readonly step: string }
  | {
      readonly kind: 'failed';
      readonly plan: string;
      readonly step: string;
      readonly error: unknown;
    }
  | { readonly kind: 'nothing' };

const planSchema: Schema<Plan> = object({
  title: string(),
  createdMs: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  steps: array(
    object({
      name: string(),
      input: string(),
      state: literal('todo', 'doing', 'done'),
      attempts: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      failure: string(),
    }),
  ),
});

export class Plans {
  readonly #records: Collection<Plan>;

  constructor(registry: Registry) {
    this.#records = new Collection({ registry, prefix: PLANS_PREFIX, schema: planSchema });
  }

  /** Sorted by id. */
  list(): Promise<readonly Stored<Plan>[]> {
    return this.#records.list();
  }

  /** Writes a plan down. The same id again changes nothing and answers false, so that nothing is planned twice. */
  async add(
    term: LeaderTerm,
    id: string,
    plan: {
      readonly title: string;
      readonly createdMs: number;
      readonly steps: readonly { readonly name: string; readonly input: unknown }[];
    },
  ): Promise<boolean> {
    if (plan.steps.length > PLAN_STEPS_MAX)
      throw planTooLong(id, plan.steps.length, PLAN_STEPS_MAX);
    const steps = plan.steps.map(({ name, input }) => ({
      name,
      input: JSON.stringify(input ?? null),
      state: 'todo' as const,
      attempts: 0,
      failure: '',
    }));
    const result = await term.commit(
      [{ key: this.#records.keyOf(id), revision: 0 }],
      [this.#records.putOperation(id, { ...plan, steps })],
    );
    return result.kind === 'committed';
  }

  /**
   * Does the next step of one plan; a plan whose last step is done is removed. Throws `CLUSTER_DEPOSED` when this node
   * does not lead any more, `CLUSTER_STEP_UNKNOWN` for a step that this Moln does not know. Plans do not wait for each other.
   */
  async step(
    term: LeaderTerm,
    id: string,
    handlers: Readonly<Record<string, StepHandler>>,
  ): Promise<PlanProgress> {
    const stored = await this.#records.get(id);
    if (stored === undefined) return { kind: 'nothing' };
    const at = stored.value.steps.findIndex(({ state }) => state !== 'done');
    const step = stored.value.steps[at];
    if (step === undefined) {
      await this.#remove(term, stored);
      return { kind: 'nothing' };
    }
    const handler = Object.hasOwn(handlers, step.name) ? handlers[step.name] : undefined;
    if (handler === undefined) throw stepUnknown(id, step.name);
    const attempts = step.attempts + 1;
    const doing = await this.#write(term, stored, at, { ...step, state: 'doing', attempts });
    if (doing === undefined) return { kind: 'nothing' };
    try {
      await handler(JSON.parse(step.input), { term, plan: id, attempts });
    } catch (error) {
      if (isMolnError(error, 'CLUSTER_DEPOSED')) throw error;
      const failed: PlanStep = { ...step, state: 'todo', attempts, failure: messageOf(error) };
      await this.#write(term, doing, at, failed);
      return { kind: 'failed', plan: id, step: step.name, error };
    }
    const done: PlanStep = { ...step, state: 'done', attempts, failure: '' };
    const written = await this.#write(term, doing, at, done);
    if (written !== undefined && at === stored.value.steps.length - 1) {
      await this.#remove(term, written);
    }
    return { kind: 'stepped', plan: id, step: step.name };
  }

  /** Undefined when somebody else changed the plan: look again. */
  async #write(
    term: LeaderTerm,
    { id, value, revision }: Stored<Plan>,
    at: number,
    step: PlanStep,
  ): Promise<Stored<Plan> | undefined> {
    const next: Plan = { ...value, steps: value.steps.with(at, step) };
    const result = await term.commit(
      [{ key: this.#records.keyOf(id), revision }],
      [this.#records.putOperation(id, next)],
    );
    return result.kind === 'committed' ? { id, value: next, revision: result.revision } : undefined;
  }

  async #remove(term: LeaderTerm, { id, revision }: Stored<Plan>): Promise<void> {
    const key = this.#records.keyOf(id);
    await term.commit([{ key, revision }], [{ kind: 'delete', key }]);
  }
}
