/** The registry that holds the logs of all databases of this process: a file of its own while the node is alone. */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { openSqliteRegistry, SwitchableRegistry } from '../registry/registry.ts';
import { LOG_BYTES_MAX } from './limits.ts';

export async function openLogs(options: {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
}): Promise<SwitchableRegistry> {
  return new SwitchableRegistry(await openSqliteRegistry({ ...options, bytesMax: LOG_BYTES_MAX }));
}
