/** Query parameters: decoded from text, strictly, with the same errors as keys of a body. */
import { ConfigError } from '../base/errors.ts';
import type { JsonSchema } from '../base/schema.ts';
import { nearestName } from '../base/suggest.ts';

export interface QueryParam<T> {
  readonly description: string;
  readonly json: JsonSchema;
  readonly required: boolean;
  /** All values of the name in order; empty when it is absent. */
  decode(values: readonly string[], name: string): T;
}

export type QueryParams = Readonly<Record<string, QueryParam<unknown>>>;
export type QueryValues<P extends QueryParams> = {
  readonly [K in keyof P]: P[K] extends QueryParam<infer T> ? T : never;
};

function single(values: readonly string[], name: string): string | undefined {
  if (values.length > 1) {
    throw new ConfigError(name, `Parameter "${name}" is given ${values.length} times, want once`);
  }
  return values[0];
}

export function textParam(description: string): QueryParam<string | undefined> {
  return { description, json: { type: 'string' }, required: false, decode: single };
}

/** Given once per item: `?command=ls&command=-l`. */
export function listParam(
  description: string,
  rules: { readonly itemsMin: number; readonly itemsMax: number },
): QueryParam<readonly string[]> {
  return {
    description,
    json: {
      type: 'array',
      items: { type: 'string' },
      minItems: rules.itemsMin,
      maxItems: rules.itemsMax,
    },
    required: rules.itemsMin > 0,
    decode(values, name) {
      if (values.length >= rules.itemsMin && values.length <= rules.itemsMax) return values;
      throw new ConfigError(
        name,
        `Parameter "${name}" is given ${values.length} times, want ${rules.itemsMin} to ${rules.itemsMax}`,
      );
    },
  };
}

export function integerParam(
  description: string,
  rules: { readonly min: number; readonly max: number; readonly fallback: number },
): QueryParam<number> {
  return {
    description,
    json: { type: 'integer', minimum: rules.min, maximum: rules.max, default: rules.fallback },
    required: false,
    decode(values, name) {
      const text = single(values, name);
      if (text === undefined) return rules.fallback;
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= rules.min && value <= rules.max) return value;
      throw new ConfigError(
        name,
        `Parameter "${name}" is "${text}", want a whole number from ${rules.min} to ${rules.max}`,
      );
    },
  };
}

const FLAGS: Readonly<Record<string, boolean>> = {
  true: true,
  '1': true,
  false: false,
  '0': false,
};

export function flagParam(description: string): QueryParam<boolean> {
  return {
    description,
    json: { type: 'boolean', default: false },
    required: false,
    decode(values, name) {
      const text = single(values, name);
      if (text === undefined) return false;
      const value = Object.hasOwn(FLAGS, text) ? FLAGS[text] : undefined;
      if (value !== undefined) return value;
      throw new ConfigError(name, `Parameter "${name}" is "${text}", want true or false`);
    },
  };
}

/** Decodes every parameter; one that no row knows is an error that names the nearest. */
export function decodeQuery(
  search: URLSearchParams,
  params: QueryParams,
): Readonly<Record<string, unknown>> {
  const names = Object.keys(params);
  for (const name of search.keys()) {
    if (Object.hasOwn(params, name)) continue;
    const near = nearestName(name, names);
    const question = near === undefined ? '' : `: did you mean "${near}"?`;
    throw new ConfigError(name, `Unknown parameter "${name}"${question}`, {
      hint: names.length === 0 ? 'This takes none' : `Known parameters here: ${names.join(', ')}`,
    });
  }
  return Object.fromEntries(
    Object.entries(params).map(([name, param]) => [name, param.decode(search.getAll(name), name)]),
  );
}
