/** The files of a new app: small, whole, and written as a person would. */
import { MolnError } from '../base/errors.ts';
import { fillAll } from './templates.ts';

/** As `moln deploy` takes it. */
const NAME = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

/** Texts by paths. Throws `WORKBENCH_BAD_NAME`. */
export function newApp(name: string): Readonly<Record<string, string>> {
  if (!NAME.test(name)) {
    throw new MolnError('WORKBENCH_BAD_NAME', `"${name}" cannot be the name of an app`, {
      hint: 'Write it in lower case, with letters, digits and -, beginning with a letter',
    });
  }
  const title = name.slice(0, 1).toUpperCase() + name.slice(1).replaceAll('-', ' ');
  return fillAll('app', { name, title });
}
