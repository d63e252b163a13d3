/** Keys of TLS session tickets that all gateways share: which ones there are from now on. Pure. */
import { TICKET_KEY_LIFE_MS, TICKET_KEYS_KEPT } from './limits.ts';
import type { TicketKey } from './model.ts';

/** The newest first; the very same list when nothing is to be changed. A clock that went back makes no new ones. */
export function nextTicketKeys(
  keys: readonly TicketKey[],
  nowMs: number,
  make: () => string,
): readonly TicketKey[] {
  const [newest] = keys;
  if (newest !== undefined && nowMs < newest.madeAt + TICKET_KEY_LIFE_MS) return keys;
  return [{ madeAt: nowMs, key: make() }, ...keys].slice(0, TICKET_KEYS_KEPT);
}
