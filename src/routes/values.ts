/** The kinds of values in a gateway's file. */
import { ConfigError } from '../base/errors.ts';
import { array, integer, type Schema, string } from '../base/schema.ts';
import { parseDuration, parseSize } from '../base/units.ts';

/** `"30s"` to milliseconds. */
export const duration: Schema<number> = {
  decode(value, path) {
    if (typeof value === 'string') return parseDuration(value, path);
    const what = `Key "${path}" is ${JSON.stringify(value)}, want a time with its unit, such as "30s"`;
    throw new ConfigError(path, what);
  },
  json: { type: 'string', description: 'A number with ms, s, m or h, such as 30s' },
};

/** `256MB`, or a number of bytes. */
export const size: Schema<number> = {
  decode(value, path) {
    if (typeof value === 'number') {
      return integer({ min: 0, max: Number.MAX_SAFE_INTEGER }).decode(value, path);
    }
    return parseSize(string().decode(value, path), path);
  },
  json: {
    type: ['string', 'integer'],
    description: 'Bytes, or a number with a unit, such as 256MB',
  },
};

/** One, or a list of them. */
export function oneOrMore<T>(item: Schema<T>): Schema<readonly T[]> {
  const list = array(item, { itemsMax: 1000 });
  return {
    decode: (value, path) =>
      Array.isArray(value) ? list.decode(value, path) : [item.decode(value, path)],
    json: { oneOf: [item.json, list.json] },
  };
}

export const filePath: Schema<string> = string({
  lengthMax: 4096,
  pattern: /^[^\0]+$/,
  patternMeans: 'a path',
});

/** As nodes have it. */
export const regionName: Schema<string> = string({
  pattern: /^[a-z0-9-]{1,40}$/,
  patternMeans: 'lower-case letters, digits and -, at most 40',
});

/** `true` is the usual, which is what `{}` says too. */
export function trueOr<T extends object>(chosen: Schema<T>): Schema<false | T> {
  return {
    decode(value, path) {
      if (value === false) return false;
      return chosen.decode(value === true ? {} : value, path);
    },
    json: { oneOf: [{ type: 'boolean' }, chosen.json] },
  };
}

export function seconds(ms: number): number {
  return Math.round(ms / 1000);
}

/** An address alone is one without anything else to say. */
export function urlOr<T>(chosen: Schema<T>): Schema<T> {
  return {
    decode: (value, path) =>
      chosen.decode(typeof value === 'string' ? { url: value } : value, path),
    json: { oneOf: [{ type: 'string' }, chosen.json] },
  };
}
