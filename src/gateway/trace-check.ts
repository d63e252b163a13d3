/** Strict check of how requests are traced. */
import { ConfigError } from '../base/errors.ts';
import { object, optional, type Schema, string } from '../base/schema.ts';
import type { TraceConfig } from './config.ts';

const URL_CHARACTERS_MAX = 2048;

const sample: Schema<number> = {
  decode(value, path) {
    if (typeof value === 'number' && value >= 0 && value <= 1) return value;
    throw new ConfigError(path, `Key "${path}" is ${JSON.stringify(value)}, want 0 to 1`);
  },
  json: { type: 'number', minimum: 0, maximum: 1 },
};

/** Credentials in it would be shown wherever the config is. */
const collector: Schema<string> = {
  decode(value, path) {
    const text = string({ lengthMax: URL_CHARACTERS_MAX }).decode(value, path);
    const url = URL.parse(text);
    const isGood = url !== null && /^https?:$/.test(url.protocol) && url.hash === '';
    if (isGood && url.username === '' && url.password === '') return text;
    const want = 'want the URL of a collector, such as http://127.0.0.1:4318/v1/traces';
    throw new ConfigError(path, `Key "${path}" is no such URL, ${want}`);
  },
  json: { type: 'string' },
};

export const traceSchema: Schema<TraceConfig> = object({
  sample,
  export: optional(collector),
  service: optional(string({ pattern: /^[\x20-\x7e]{1,200}$/, patternMeans: 'plain characters' })),
});
