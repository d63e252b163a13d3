/**
 * Lets Node load an app's files as they are: `moln` leads to this program, `.tsx` is compiled, and in `moln dev` a change makes all
 * of the app's files new while everything else stays loaded.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { systemCode } from '../base/errors.ts';
import { compile, ENTRIES } from './compile.ts';
import { missingImport } from './missing-import.ts';

const COMPILED: ReadonlySet<string> = new Set(['.ts', '.tsx', '.jsx', '.mts']);

export interface AppLoader {
  /** Imports a file of the app as it is now. */
  load(path: string): Promise<Readonly<Record<string, unknown>>>;
  /** What is imported from now on is read anew. */
  renew(): void;
}

/** `root`: the app's folder. Once in a process. */
export function installHooks(root: string): AppLoader {
  const start = pathToFileURL(`${root}/`).href;
  let version = 0;
  const isOwn = (url: string): boolean => url.startsWith(start) && !url.includes('/node_modules/');
  /** For the developer, by Node's own: that is what an app sees which tries an import and has an answer to its failing. */
  const missing = new WeakMap<object, Error>();
  const found = <T>(specifier: string, parent: string | undefined, resolve: () => T): T => {
    try {
      return resolve();
    } catch (error) {
      const importer = parent?.split('?')[0] ?? '';
      const isMissing = error instanceof Error && systemCode(error) === 'ERR_MODULE_NOT_FOUND';
      if (isMissing && isOwn(importer))
        missing.set(error, missingImport(root, fileURLToPath(importer), specifier));
      throw error;
    }
  };
  registerHooks({
    resolve: (specifier, context, next) => {
      const entry = ENTRIES[specifier];
      if (entry !== undefined) return { url: pathToFileURL(entry).href, shortCircuit: true };
      const resolved = found(specifier, context.parentURL, () => next(specifier, context));
      if (version === 0 || !isOwn(resolved.url) || resolved.url.includes('?')) return resolved;
      return { ...resolved, url: `${resolved.url}?v=${version}` };
    },
    load: (url, context, next) => {
      const bare = url.split('?')[0] ?? url;
      if (!isOwn(bare) || !COMPILED.has(extname(bare))) return next(url, context);
      const path = fileURLToPath(bare);
      return {
        format: 'module',
        source: compile(path, readFileSync(path, 'utf8')),
        shortCircuit: true,
      };
    },
  });
  process.setSourceMapsEnabled(true);
  return {
    load: async (path) => {
      const url = `${pathToFileURL(path).href}${version === 0 ? '' : `?v=${version}`}`;
      try {
        return (await import(url)) as Readonly<Record<string, unknown>>;
      } catch (error) {
        throw (error instanceof Error && missing.get(error)) || error;
      }
    },
    renew: () => {
      version++;
    },
  };
}
