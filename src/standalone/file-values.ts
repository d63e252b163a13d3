/** Values as people write them in a gateway's file. */
import { type Schema, string } from '../base/schema.ts';
import { parseDuration } from '../base/units.ts';

/** `"30s"` to milliseconds. */
export const duration: Schema<number> = {
  decode: (value, path) => parseDuration(string().decode(value, path), path),
  json: { type: 'string', description: 'A number with ms, s, m or h, such as 30s' },
};
