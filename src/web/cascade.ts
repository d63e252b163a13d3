/** Files of the rows that the database deletes with another one (`onDelete: 'cascade'`): it tells nobody which those are. */
import { fileKeys, hasFiles } from './kept-files.ts';
import type { Model } from './model.ts';
import { withoutPolicies } from './policy.ts';

/** Read at a time. */
const ROWS = 500;

/** A model whose rows go with those of another one, by this field. */
interface Child {
  readonly model: Model;
  readonly reference: string;
}

/** A row that goes with another one, as models say, and its files. */
interface RowAlong {
  readonly model: Model;
  readonly id: number;
  readonly keys: readonly string[];
}

let models: readonly Model[] = [];

/** The models of this process's app. */
export function useModels(all: readonly Model[]): void {
  models = all;
}

/** Whether rows with files may go with a row of that model. */
export function takesFilesAlong(name: string): boolean {
  return childrenOf(name).length > 0;
}

/** Rows with files that go with that row. In the transaction that deletes it they are all. */
export async function rowsAlong(name: string, id: number): Promise<readonly RowAlong[]> {
  const along: RowAlong[] = [];
  await withoutPolicies(async () => {
    for await (const row of rowsBelow(name, [id], new Set())) along.push(row);
  });
  return along;
}

/** Keys of the files of those that are gone: where no migration has done what a model says, rows stay. */
export async function filesOfGone(along: readonly RowAlong[]): Promise<readonly string[]> {
  const keys: string[] = [];
  for (const [model, rows] of Map.groupBy(along, (row) => row.model)) {
    for (let at = 0; at < rows.length; at += ROWS) {
      const some = rows.slice(at, at + ROWS);
      const left = await withoutPolicies(() => model.byId(some.map(({ id }) => id)));
      keys.push(...some.filter(({ id }) => !left.has(id)).flatMap((row) => row.keys));
    }
  }
  return keys;
}

async function* rowsBelow(
  name: string,
  ids: readonly number[],
  seen: Set<string>,
): AsyncGenerator<RowAlong> {
  for (const { model, reference } of childrenOf(name)) {
    for (let after: number | undefined = 0; after !== undefined;) {
      const rows = await model
        .where({ [reference]: ids, id: { gt: after } })
        .limit(ROWS)
        .all();
      // Rows may lead to each other in a circle.
      const fresh = rows.filter(({ id }) => !seen.has(`${model.name} ${id}`));
      for (const { id } of fresh) seen.add(`${model.name} ${id}`);
      for (const row of fresh) {
        const keys = fileKeys(model.fields, row);
        if (keys.length > 0) yield { model, id: row.id, keys };
      }
      const below = fresh.map(({ id }) => id);
      if (below.length > 0) yield* rowsBelow(model.name, below, seen);
      after = rows.length < ROWS ? undefined : rows.at(-1)?.id;
    }
  }
}

/** Those that have files, or lead to some. */
function childrenOf(name: string): readonly Child[] {
  return models
    .filter((model) => hasFiles(model.fields) || leadsToFiles(model.name, []))
    .flatMap((model) => referencesTo(name, model).map((reference) => ({ model, reference })));
}

/** `above`: models that lead here, for they may do so in a circle. */
function leadsToFiles(name: string, above: readonly string[]): boolean {
  if (above.includes(name)) return false;
  return models
    .filter((model) => referencesTo(name, model).length > 0)
    .some((model) => hasFiles(model.fields) || leadsToFiles(model.name, [...above, name]));
}

function referencesTo(name: string, { fields }: Model): readonly string[] {
  return Object.entries(fields)
    .filter(([, { target, options }]) => target === name && options.onDelete === 'cascade')
    .map(([reference]) => reference);
}
