/** Loads an app into this process, for commands that want to know what it says. */
import type { AppParts } from '../web/web.ts';
import { loadApp, requireApp } from './app-folder.ts';
import { type AppLoader, installHooks } from './hooks.ts';

let loader: { readonly root: string; readonly hooks: AppLoader } | undefined;

/** `root`: the same at every call in a process. */
export async function loadParts(root: string, what: 'all' | 'models' = 'all'): Promise<AppParts> {
  requireApp(root);
  if (loader?.root === root) loader.hooks.renew();
  else loader = { root, hooks: installHooks(root) };
  const { hooks } = loader;
  return await loadApp(root, (path) => hooks.load(path), what);
}
