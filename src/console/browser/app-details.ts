/** The details of all apps, for pages that show what runs where. */
import type { AppDetail, Status } from '../../api/model.ts';
import { api } from './api.ts';
import { usePolled } from './time-hooks.ts';

const DETAILS_EVERY_MS = 5000;
/** Apps whose instances are shown one by one; of further ones only the app itself. */
const DETAILED_APPS_MAX = 24;

/** An app that was removed meanwhile is left out instead of hiding the others. */
async function detailsOf(
  names: readonly string[],
  signal: AbortSignal,
): Promise<readonly AppDetail[]> {
  const settled = await Promise.allSettled(names.map((name) => api.app(name, signal)));
  return settled.filter((one) => one.status === 'fulfilled').map((one) => one.value);
}

/** Undefined until the first answer. */
export function useAppDetails(status: Status): readonly AppDetail[] | undefined {
  const names = status.apps.slice(0, DETAILED_APPS_MAX).map((app) => app.name);
  return usePolled(names.join(' '), (signal) => detailsOf(names, signal), DETAILS_EVERY_MS).value;
}
