/** What Moln reads of a Node app's `package.json`. */
import { MolnError, messageOf } from '../base/errors.ts';
import type { TreeView } from './tree-view.ts';

export interface PackageJson {
  readonly scripts: Readonly<Record<string, string>>;
  readonly main: string | undefined;
  /** Names, optional ones included. */
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
}

/** Undefined when there is none; throws `CONFIG_INVALID` when it is not JSON. */
export function readPackageJson(view: TreeView): PackageJson | undefined {
  const text = view.readText('package.json');
  if (text === undefined) return undefined;
  let raw: unknown;
  try {
    raw = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    const message = `package.json is not valid JSON: ${messageOf(error)}`;
    throw new MolnError('CONFIG_INVALID', message, {
      hint: 'Correct package.json and deploy again',
      cause: error,
    });
  }
  const fields = asRecord(raw);
  const scripts = Object.entries(asRecord(fields['scripts'])).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1].trim() !== '',
  );
  return {
    scripts: Object.fromEntries(scripts),
    main: typeof fields['main'] === 'string' ? fields['main'] : undefined,
    dependencies: new Set([
      ...Object.keys(asRecord(fields['dependencies'])),
      ...Object.keys(asRecord(fields['optionalDependencies'])),
    ]),
    devDependencies: new Set(Object.keys(asRecord(fields['devDependencies']))),
  };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
