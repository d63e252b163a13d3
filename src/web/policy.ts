/**
 * Policies: who may do what with the rows of a model, said once. While a visitor is answered, models ask them by themselves: rows that
 * the visitor may not see are not there (404), what they may not do is refused (403). Jobs, seeds and tests act for the app, not for a
 * visitor, and are not asked. Knows no users: rules find out who asks by what the app has for that.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { MolnError } from '../base/errors.ts';
import { nearestName } from '../base/suggest.ts';
import { contextIfAny } from './context.ts';
import { labelOf } from './fields.ts';
import type { FieldErrors, Fields, Given, Model, NewRow, RowOfFields } from './model.ts';
import type { Conditions } from './row-query.ts';

interface Named {
  readonly name: string;
}
type Answer<Value> = Value | Promise<Value>;
type Rule<Row> = (row: Row) => Answer<boolean | Conditions<Row>>;

/** Rules of one model. What there is no rule for, nobody may do. */
export interface Rules<F extends Fields> {
  /** The rows that the visitor may know of: all, none, or those with these values. With `undefined` among them: none. */
  readonly see: () => Answer<boolean | Conditions<RowOfFields<F>>>;
  /** Of what a new row would have. */
  readonly create?: (values: NewRow<F>) => Answer<boolean>;
  /** Asked twice: for the row as it is, and as it would be. */
  readonly update?: (row: RowOfFields<F>) => Answer<boolean>;
  readonly delete?: (row: RowOfFields<F>) => Answer<boolean>;
  /** Words of your own, for `can` and `authorize`. */
  readonly [verb: string]: Rule<RowOfFields<F> & NewRow<F>> | undefined;
}

export class Policy {
  readonly model: Model;
  readonly rules: Rules<Fields>;

  constructor(model: Model, rules: Rules<Fields>) {
    this.model = model;
    this.rules = rules;
  }

  async allows(verb: string, row: unknown): Promise<boolean> {
    const rule = verb === 'see' ? undefined : this.rules[verb];
    if (rule === undefined) return this.#isKnown(verb);
    return (await withoutPolicies(() => rule(row as never))) === true;
  }

  async seen(): Promise<Conditions<RowOfFields<Fields>>> {
    const seen = await withoutPolicies(this.rules.see);
    if (seen === true) return {};
    // A query takes a condition without a value for none: who is not signed in would see what everybody has.
    const isNothing = !seen || Object.values(seen).includes(undefined);
    return isNothing ? { id: [] } : seen;
  }

  /** False for what there just is no rule for. A slip must not look like a "no". */
  #isKnown(verb: string): false {
    if (CHANGES.has(verb)) return false;
    if (verb === 'see') {
      throw new MolnError('WEB_NO_RULE', `What may be seen of ${this.model.name} is no yes or no`, {
        hint: 'Ask the model: what it gives a visitor is what they may see',
      });
    }
    const near = nearestName(verb, [...CHANGES, ...Object.keys(this.rules)]);
    throw new MolnError(
      'WEB_NO_RULE',
      `The policy of ${this.model.name} has no rule called "${verb}"`,
      {
        hint:
          near === undefined
            ? `It has ${Object.keys(this.rules).join(', ')}`
            : `Did you mean "${near}"?`,
      },
    );
  }
}

const CHANGES: ReadonlySet<string> = new Set(['create', 'update', 'delete']);
/** On the prototypes of rows: the model that they are of. */
export const MODEL_OF: unique symbol = Symbol('model');
/** How policies are taken now: asked for a visitor, not asked, or refused because what is read is kept for others. */
export type PolicyMode = 'asked' | 'off' | 'refused';
const mode = new AsyncLocalStorage<PolicyMode>();
let policies: ReadonlyMap<object, Policy> = new Map();

/**
 * Says who may do what with the rows of a model, in a file of `app/policies`.
 *
 *     export const postPolicy = policy(Post, {
 *       see: async () => ({ team_id: await myTeams() }),
 *       update: async (post) => post.user_id === (await currentUser())?.id,
 *     });
 */
export function policy<F extends Fields>(of: Model<F>, rules: Rules<F>): Policy {
  return new Policy(of as unknown as Model, rules as unknown as Rules<Fields>);
}

/** The policies of this process's app. */
export function usePolicies(all: readonly Policy[]): void {
  policies = new Map(all.map((each) => [each.model, each]));
}

export function policyMode(): PolicyMode {
  return mode.getStore() ?? 'asked';
}

/** What `work` reads and changes is the app's own doing: signing in, counting for everybody. Rules themselves run so. */
export function withoutPolicies<T>(work: () => T): T {
  return mode.run('off', work);
}

/** For what is kept and shown to others: rows of models with policies throw there, unless the app says that it means them. */
export function refusingPolicies<T>(work: () => T): T {
  return policyMode() === 'off' ? work() : mode.run('refused', work);
}

/**
 * Whether the visitor may do that with this row: `await can('update', post)`. For rows that are not there yet:
 * `await can('create', Post, { team_id })`. Throws `WEB_NO_RULE` for a word that the policy does not have, and without a policy.
 */
export async function can(verb: string, row: object, values: Given = {}): Promise<boolean> {
  const model: unknown = Reflect.get(row, MODEL_OF) ?? row;
  const found = policies.get(model as object);
  if (found !== undefined) {
    refuseKept(nameOf(model));
    return await found.allows(verb, model === row ? values : row);
  }
  throw new MolnError('WEB_NO_RULE', `There is no policy of ${nameOf(model)}`, {
    hint: 'Write one with "moln generate policy NAME"; give a row, or a model and the values of a new row',
  });
}

/** Throws `WEB_FORBIDDEN`, which visitors see as 403, unless `can` says yes. */
export async function authorize(verb: string, row: object, values: Given = {}): Promise<void> {
  if (await can(verb, row, values)) return;
  throw forbidden(verb, nameOf(Reflect.get(row, MODEL_OF) ?? row));
}

/** For pages that show models with and without policies. Of a row that is not there yet: whether some may be made at all. */
export async function mayChange(verb: string, of: Named, row?: object): Promise<boolean> {
  const found = policyFor(of);
  if (found === undefined) return true;
  return row === undefined ? found.rules[verb] !== undefined : await found.allows(verb, row);
}

/** Which rows of the model the visitor may see; undefined: all. */
export function seenRows<F extends Fields>(
  of: Model<F>,
  write: 'update' | 'delete' | undefined,
): Promise<Conditions<RowOfFields<F>>> | undefined {
  const found = policyFor(of);
  if (found === undefined) return undefined;
  if (write === undefined) return found.seen() as Promise<Conditions<RowOfFields<F>>>;
  throw new MolnError(
    'WEB_UNGUARDED',
    `The policy of ${of.name} is about one row at a time, and this would ${write} all that match`,
    { hint: `Change each of them, or say withoutPolicies(() => …) when the app itself wants it` },
  );
}

/** For queries that no policy can be asked about. */
export function refuseGuarded(of: Named): void {
  if (policyFor(of) === undefined) return;
  throw new MolnError(
    'WEB_UNGUARDED',
    `A typed query of ${of.name} would show what the visitor may not see: its policy knows rows, not queries`,
    {
      hint: 'Ask the model, or say withoutPolicies(() => …) when the query itself is narrow enough',
    },
  );
}

export async function guardCreate<F extends Fields>(of: Model<F>, values: Given): Promise<void> {
  const found = policyFor(of);
  if (found === undefined || (await found.allows('create', values))) return;
  throw forbidden('create', of.name);
}

/** Whether changes of its rows are to be asked about. */
export function isGuarded(of: Named): boolean {
  return policyFor(of) !== undefined;
}

/** `row`: as it is, freshly read; `values`: what an update would give it. */
export async function guardChange(
  of: Named,
  verb: 'update' | 'delete',
  row: object,
  values: Given = {},
): Promise<void> {
  const found = policyFor(of);
  if (found === undefined) return;
  const after = Object.assign(Object.create(Object.getPrototypeOf(row) as object), row, values);
  for (const each of verb === 'update' ? [row, after] : [row])
    if (!(await found.allows(verb, each))) throw forbidden(verb, of.name);
}

/** Of what a request gave: rows that it refers to and that the visitor may not know of. `further`: what code has decided. */
export async function unseenReferences<F extends Fields>(
  of: Model<F>,
  values: Given,
  further: object,
): Promise<FieldErrors | undefined> {
  if (policies.size === 0) return undefined;
  const errors: Record<string, readonly string[]> = {};
  for (const [name, field] of Object.entries(of.fields)) {
    const id = values[name];
    if (field.target === undefined || id === undefined || id === null || name in further) continue;
    const target = [...policies.keys()].find((each) => nameOf(each) === field.target);
    if (target === undefined || (await (target as Model).find(id)) !== undefined) continue;
    errors[name] = [`${labelOf(name, field)} is not there`];
  }
  return Object.keys(errors).length === 0 ? undefined : errors;
}

/** The policy that is to be asked now. */
function policyFor(of: Named): Policy | undefined {
  if (policies.size === 0) return undefined;
  const found = policies.get(of);
  const isAsked = policyMode() !== 'off' && contextIfAny() !== undefined;
  if (found === undefined || !isAsked) return undefined;
  refuseKept(of.name);
  return found;
}

function refuseKept(name: string): void {
  if (policyMode() !== 'refused') return;
  throw new MolnError(
    'WEB_UNGUARDED',
    `What each visitor may see of ${name} differs, and what is cached is for all of them`,
    { hint: 'Say withoutPolicies(() => …) around it when everybody may see it' },
  );
}

function forbidden(verb: string, name: string): MolnError {
  return new MolnError('WEB_FORBIDDEN', `You may not ${verb} this ${name.replaceAll('_', ' ')}`);
}

function nameOf(model: unknown): string {
  const { name } = model as { readonly name?: unknown };
  return typeof name === 'string' ? name : 'this';
}
