/**
 * Shapes of answers. `Wire<T>` is a model type as JSON carries it (undefined is an absent key), so the compiler
 * checks the schemas against the model. `named` lets the OpenAPI document refer to a shape instead of repeating it.
 */
import { ConfigError } from '../base/errors.ts';
import type { JsonSchema, Schema } from '../base/schema.ts';

type UndefinedKeys<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T];

export type Wire<T> = T extends readonly (infer Item)[]
  ? readonly Wire<Item>[]
  : T extends object
    ? { readonly [K in Exclude<keyof T, UndefinedKeys<T>>]: Wire<T[K]> } & {
        readonly [K in UndefinedKeys<T>]?: Wire<Exclude<T[K], undefined>>;
      }
    : T;

/** Shapes that have a name in the document, filled while this part is loaded. */
export type NamedShapes = ReadonlyMap<string, JsonSchema>;

/** A schema whose place in the document is a reference to `name`. */
export function named<T>(
  shapes: Map<string, JsonSchema>,
  name: string,
  schema: Schema<T>,
): Schema<T> {
  shapes.set(name, schema.json);
  return { ...schema, json: { $ref: `#/components/schemas/${name}` } };
}

/** Any finite number. */
export function number(description?: string): Schema<number> {
  return {
    decode(value, path) {
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      throw new ConfigError(path, `Key "${path}" is a ${typeof value}, want a number`);
    },
    json: { type: 'number', ...(description === undefined ? {} : { description }) },
  };
}

export function nullable<T>(inner: Schema<T>): Schema<T | null> {
  return {
    decode: (value, path) => (value === null ? null : inner.decode(value, path)),
    json: { anyOf: [inner.json, { type: 'null' }] },
  };
}

/** Anything that JSON can say. */
export const anything: Schema<unknown> = { decode: (value) => value, json: {} };
