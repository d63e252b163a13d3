/** Fields without a table: what a form asks for that is no row, such as a password. */
import { checkField, type Field, labelOf } from './fields.ts';
import type { FieldErrors, Fields, Given } from './model.ts';

type ValueOf<F> = F extends Field<infer Value, boolean> ? Value : never;

export type ShapeOutcome<F extends Fields> =
  | { readonly ok: true; readonly values: { readonly [Name in keyof F]: ValueOf<F[Name]> } }
  | { readonly ok: false; readonly errors: FieldErrors; readonly values: Given };

export class Shape<F extends Fields = Fields> {
  readonly fields: F;

  constructor(fields: F) {
    this.fields = fields;
  }

  /** What was given, as values, or what is wrong with it. Other fields are left out. */
  async check(given: Given): Promise<ShapeOutcome<F>> {
    const values: Record<string, unknown> = {};
    const errors: Record<string, readonly string[]> = {};
    for (const [name, one] of Object.entries(this.fields)) {
      const checked = await checkField(one, given[name]);
      if ('problem' in checked) errors[name] = [`${labelOf(name, one)} ${checked.problem}`];
      else values[name] = checked.value;
    }
    if (Object.keys(errors).length > 0) return { ok: false, errors, values: given };
    return { ok: true, values: values as { readonly [Name in keyof F]: ValueOf<F[Name]> } };
  }
}

/** `const SignUp = shape({ email: string({ format: 'email' }), password: string({ min: 10 }) });` */
export function shape<const F extends Fields>(fields: F): Shape<F> {
  return new Shape(fields);
}
