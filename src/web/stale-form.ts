/** A form that was filled in while somebody else changed its row: it comes back as it was filled in, and says what is kept by now. */
import { isMolnError } from '../base/errors.ts';
import type { Refused } from './context.ts';
import { checkField, type Field, isClosed, labelOf, toColumn } from './fields.ts';
import type { Fields, Given } from './model.ts';

/** Of a value that is kept, in the sentence that says so. */
const SHOWN_CHARACTERS_MAX = 200;

/**
 * For who filled in a form while somebody else changed the row: what they typed, and what is kept by now where that is another thing. Sent
 * again, the form of the row as it is now changes it. Throws what is another error, and `WEB_NOT_FOUND` when the row is gone.
 */
export async function tooLate(
  model: { readonly fields: Fields; get(id: number): Promise<object> },
  id: number,
  values: Given,
  error: unknown,
): Promise<Refused> {
  if (!isMolnError(error, 'WEB_STALE')) throw error;
  const kept = (await model.get(id)) as Given;
  const open = Object.entries(model.fields).filter(([, one]) => !isClosed(one));
  const errors: Record<string, readonly string[]> = {};
  for (const [name, one] of open) {
    if (values[name] === undefined || one.kind === 'file') continue;
    const typed = await checkField(one, values[name]);
    if ('value' in typed && toColumn(one, typed.value) === toColumn(one, kept[name])) continue;
    errors[name] = [`${error.message}. ${labelOf(name, one)} ${shown(one, kept[name])}`];
  }
  if (Object.keys(errors).length === 0) errors[open[0]?.[0] ?? ''] = [error.message];
  return { ok: false, status: 409, errors, values };
}

function shown({ kind }: Field, value: unknown): string {
  if (value === null || value === '') return 'is empty now';
  if (kind === 'boolean') return value === true ? 'is ticked now' : 'is not ticked now';
  // Of a reference that is an id, which says nothing to people.
  if (kind === 'reference' || (typeof value !== 'string' && typeof value !== 'number'))
    return 'may be another one now';
  const text = String(value);
  const rest = text.length > SHOWN_CHARACTERS_MAX ? '…' : '';
  return `is "${text.slice(0, SHOWN_CHARACTERS_MAX)}${rest}" now`;
}
