/** Why a row cannot be saved, as errors and as sentences at the fields of a form. */
import { MolnError } from '../base/errors.ts';
import { labelOf } from './fields.ts';
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

/** `UNIQUE constraint failed: users.email`, and its like for rows that are referred to, as a sentence at the field. */
export function constraintErrors(fields: Fields, error: unknown): FieldErrors | undefined {
  if (!(error instanceof Error)) return undefined;
  const columns = /UNIQUE constraint failed: (.+)$/.exec(error.message)?.[1];
  if (columns !== undefined) {
    const [first = ''] = columns.split(', ').map((each) => each.slice(each.indexOf('.') + 1));
    const one = fields[first];
    return { [first]: [`${one === undefined ? first : labelOf(first, one)} is taken already`] };
  }
  if (!error.message.includes('FOREIGN KEY constraint failed')) return undefined;
  const references = Object.entries(fields).filter(([, { kind }]) => kind === 'reference');
  const [name, one] = references[0] ?? [];
  if (name === undefined || one === undefined) return undefined;
  return { [name]: [`${labelOf(name, one)} is not there any more`] };
}
