/** Names of routes and listeners. */
import { ConfigError } from '../base/errors.ts';

const NAME = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

/** Throws `CONFIG_INVALID`. */
export function checkName(name: string): void {
  if (NAME.test(name)) return;
  const means = 'lower-case letters, digits and -, starting with a letter, at most 40 characters';
  throw new ConfigError('name', `Name "${name}" is not valid, want ${means}`);
}
