/**
 * Strict decoding of what people and other processes send: one description yields the TypeScript type,
 * the check (unknown keys are errors that name the nearest known one) and the JSON Schema of the API document.
 */
import { ConfigError } from './errors.ts';
import { nearestName } from './suggest.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Schema<T> {
  /** Returns the checked value or throws `ConfigError` with the path of the bad key. */
  decode(value: unknown, path: string): T;
  readonly json: JsonSchema;
  /** True when an absent key is fine; `decode` is then called with undefined. */
  readonly optional?: boolean;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}

function reject(path: string, wanted: string, value: unknown): never {
  throw new ConfigError(path, `Key "${path}" is ${kindOf(value)}, want ${wanted}`);
}

export interface StringRules {
  readonly description?: string;
  readonly pattern?: RegExp;
  /** What the pattern means, for the error: "lower-case letters, digits and -". */
  readonly patternMeans?: string;
  readonly lengthMax?: number;
}

export function string(rules: StringRules = {}): Schema<string> {
  const lengthMax = rules.lengthMax ?? 65_536;
  return {
    decode(value, path) {
      if (typeof value !== 'string') return reject(path, 'a string', value);
      if (value.length > lengthMax) {
        throw new ConfigError(
          path,
          `Key "${path}" has ${value.length} characters, at most ${lengthMax}`,
        );
      }
      if (rules.pattern !== undefined && !rules.pattern.test(value)) {
        const means = rules.patternMeans ?? String(rules.pattern);
        throw new ConfigError(path, `Key "${path}" is "${value}", want ${means}`);
      }
      return value;
    },
    json: {
      type: 'string',
      ...(rules.description === undefined ? {} : { description: rules.description }),
      ...(rules.pattern === undefined ? {} : { pattern: rules.pattern.source }),
    },
  };
}

export function integer(rules: {
  readonly min: number;
  readonly max: number;
  readonly description?: string;
}): Schema<number> {
  return {
    decode(value, path) {
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
        return reject(path, 'a whole number', value);
      }
      if (value < rules.min || value > rules.max) {
        throw new ConfigError(path, `Key "${path}" is ${value}, want ${rules.min} to ${rules.max}`);
      }
      return value;
    },
    json: {
      type: 'integer',
      minimum: rules.min,
      maximum: rules.max,
      ...(rules.description === undefined ? {} : { description: rules.description }),
    },
  };
}

/** Also with a fraction. */
export function numberBetween(min: number, max: number): Schema<number> {
  return {
    decode(value, path) {
      if (typeof value === 'number' && value >= min && value <= max) return value;
      throw new ConfigError(
        path,
        `Key "${path}" is ${JSON.stringify(value)}, want ${min} to ${max}`,
      );
    },
    json: { type: 'number', minimum: min, maximum: max },
  };
}

export function boolean(description?: string): Schema<boolean> {
  return {
    decode: (value, path) =>
      typeof value === 'boolean' ? value : reject(path, 'true or false', value),
    json: { type: 'boolean', ...(description === undefined ? {} : { description }) },
  };
}

export function literal<const T extends string>(...values: readonly T[]): Schema<T> {
  return {
    decode(value, path) {
      const found = values.find((known) => known === value);
      if (found !== undefined) return found;
      const near = typeof value === 'string' ? nearestName(value, values) : undefined;
      throw new ConfigError(
        path,
        `Key "${path}" is ${JSON.stringify(value)}, want one of ${values.join(', ')}`,
        near === undefined ? {} : { hint: `Did you mean "${near}"?` },
      );
    },
    json: { type: 'string', enum: [...values] },
  };
}

export function array<T>(
  item: Schema<T>,
  rules: { readonly itemsMax?: number } = {},
): Schema<readonly T[]> {
  const itemsMax = rules.itemsMax ?? 10_000;
  return {
    decode(value, path) {
      if (!Array.isArray(value)) return reject(path, 'a list', value);
      if (value.length > itemsMax) {
        throw new ConfigError(path, `Key "${path}" has ${value.length} items, at most ${itemsMax}`);
      }
      return value.map((entry: unknown, index) => item.decode(entry, `${path}[${index}]`));
    },
    json: { type: 'array', items: item.json },
  };
}

/** An object with free keys (environment variables, labels). */
export function record<T>(
  item: Schema<T>,
  rules: { readonly key?: RegExp; readonly keyMeans?: string } = {},
): Schema<Readonly<Record<string, T>>> {
  return {
    decode(value, path) {
      if (!isPlainObject(value)) return reject(path, 'an object', value);
      const result: [string, T][] = [];
      for (const [key, entry] of Object.entries(value)) {
        if (rules.key !== undefined && !rules.key.test(key)) {
          const means = rules.keyMeans ?? String(rules.key);
          throw new ConfigError(
            join(path, key),
            `Name "${key}"${path === '' ? '' : ` in "${path}"`} is not valid, want ${means}`,
          );
        }
        result.push([key, item.decode(entry, join(path, key))]);
      }
      // Not by assignment: `__proto__` is a name like any other.
      return Object.fromEntries(result);
    },
    json: { type: 'object', additionalProperties: item.json },
  };
}

export function optional<T>(inner: Schema<T>): Schema<T | undefined> & { readonly optional: true } {
  return {
    decode: (value, path) => (value === undefined ? undefined : inner.decode(value, path)),
    json: inner.json,
    optional: true,
  };
}

/** An absent key takes `fallback`. */
export function withDefault<T>(inner: Schema<T>, fallback: T): Schema<T> {
  return {
    decode: (value, path) => (value === undefined ? fallback : inner.decode(value, path)),
    json: { ...inner.json, default: fallback },
    optional: true,
  };
}

/** Any of several shapes, told apart by `tag`, whose values are the keys of `shapes`. */
export function union<T extends { readonly [K in Tag]: string }, Tag extends string>(
  tag: Tag,
  shapes: { readonly [Value in T[Tag]]: Schema<Extract<T, { readonly [K in Tag]: Value }>> },
): Schema<T> {
  const known = shapes as Readonly<Record<string, Schema<T>>>;
  return {
    decode(value, path) {
      if (!isPlainObject(value)) return reject(path, 'an object', value);
      const name = literal(...Object.keys(known)).decode(value[tag], join(path, tag));
      const shape = known[name];
      if (shape === undefined) return reject(path, 'a known shape', value);
      return shape.decode(value, path);
    },
    json: { oneOf: Object.values(known).map((shape) => shape.json) },
  };
}

type Fields = Readonly<Record<string, Schema<unknown>>>;
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: undefined extends Infer<F[K]> ? K : never;
}[keyof F];
export type ObjectOf<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]>;
} & { readonly [K in OptionalKeys<F>]?: Exclude<Infer<F[K]>, undefined> };

/** An object with exactly these keys; an unknown key is an error. */
export function object<F extends Fields>(fields: F): Schema<ObjectOf<F>> {
  const names = Object.keys(fields);
  const required = names.filter((name) => fields[name]?.optional !== true);
  const properties = Object.fromEntries(
    Object.entries(fields).map(([name, schema]) => [name, schema.json]),
  );
  return {
    decode(value, path) {
      if (!isPlainObject(value))
        return reject(path === '' ? 'the value' : path, 'an object', value);
      for (const key of Object.keys(value)) {
        if (Object.hasOwn(fields, key)) continue;
        const near = nearestName(key, names);
        throw new ConfigError(
          join(path, key),
          `Unknown key "${join(path, key)}"${near === undefined ? '' : `: did you mean "${near}"?`}`,
          { hint: `Known keys here: ${names.join(', ')}` },
        );
      }
      const result: Record<string, unknown> = {};
      for (const [name, schema] of Object.entries(fields)) {
        const entry = Object.hasOwn(value, name) ? value[name] : undefined;
        if (entry === undefined && schema.optional !== true) {
          throw new ConfigError(join(path, name), `Key "${join(path, name)}" is missing`);
        }
        const decoded = schema.decode(entry, join(path, name));
        if (decoded !== undefined) result[name] = decoded;
      }
      return result as ObjectOf<F>;
    },
    json: { type: 'object', additionalProperties: false, required, properties },
  };
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
