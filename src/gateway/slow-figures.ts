/** What this process knows of where the time goes. */
import { askedUrl } from './asked-url.ts';
import type { Plane } from './plane.ts';
import type { SlowFigures } from './slow-report.ts';

/** Throws `CONFIG_INVALID` for what is no URL. */
export function slowFigures(url: string, { table, clock }: Plane): SlowFigures {
  const asked = askedUrl(url);
  const route = table.match(asked.host, asked.path);
  return {
    pid: process.pid,
    route: route?.id,
    rows: route?.slow.recent(clock.monotonicMs()) ?? [],
    examples: route?.slow.examples(clock.now()) ?? [],
  };
}
