/** Why a row cannot be saved, as errors and as sentences at the fields of a form. */
import { MolnError } from '../base/errors.ts';
import { isClosed, labelOf } from './fields.ts';
import type { FieldErrors, Fields } from './model.ts';

export function noSuchRow(name: string, id: unknown): MolnError {
  return new MolnError('WEB_NOT_FOUND', `There is no ${name} ${String(id)}`);
}

export function stale(name: string): MolnError {
  return new MolnError('WEB_STALE', `Somebody else has changed this ${name} in the meantime`, {
    hint: 'Load it again and repeat the change',
  });
}

export function invalid(name: string, errors: FieldErrors): MolnError {
  const sentences = Object.values(errors).flat();
  return new MolnError('WEB_INVALID', `A ${name} cannot be saved: ${sentences.join('; ')}`, {
    details: { errors },
  });
}

/** What no form may bring and a new row must have: code gives it. */
export function fieldsOfCode(fields: Fields): readonly string[] {
  return Object.entries(fields)
    .filter(
      ([, one]) => isClosed(one) && one.options.optional !== true && !('default' in one.options),
    )
    .map(([name]) => name);
}

/** Throws `WEB_NOT_GIVEN` for a new row without what code has to give: a mistake of the code, not of who filled in the form. */
export function refuseMissing(
  name: string,
  fields: Fields,
  values: Readonly<Record<string, unknown>>,
): void {
  const missing = fieldsOfCode(fields).find((field) => values[field] === undefined);
  if (missing === undefined) return;
  throw new MolnError(
    'WEB_NOT_GIVEN',
    `A new ${name} has no "${missing}", which is never taken from a form`,
    { hint: `Let code give it: tryCreate(form, { ${missing}: … })` },
  );
}

/** `UNIQUE constraint failed: users.email`, and its like for rows that are referred to, as a sentence at the field. */
export function constraintErrors(fields: Fields, error: unknown): FieldErrors | undefined {
  if (!(error instanceof Error)) return undefined;
  const columns = /UNIQUE constraint failed: (.+)$/.exec(error.message)?.[1];
  if (columns !== undefined) {
    const names = columns.split(', ').map((each) => each.slice(each.indexOf('.') + 1));
    const labels = names.map((name) => (fields[name] ? labelOf(name, fields[name]) : name));
    // At a field that the form has, if there is one.
    const at = names.find((name) => fields[name] && !isClosed(fields[name])) ?? names[0] ?? '';
    if (labels.length === 1) return { [at]: [`${labels[0]} is taken already`] };
    return { [at]: [`There is one with this ${labels.join(' and ')} already`] };
  }
  if (!error.message.includes('FOREIGN KEY constraint failed')) return undefined;
  const references = Object.entries(fields).filter(([, { kind }]) => kind === 'reference');
  const [name, one] = references[0] ?? [];
  if (name === undefined || one === undefined) return undefined;
  return { [name]: [`${labelOf(name, one)} is not there any more`] };
}
