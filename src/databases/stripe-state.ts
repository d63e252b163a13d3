/** The figures of one copy of a stripe, for those who look at it. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMolnError, MolnError } from '../base/errors.ts';
import { withDeadline } from '../base/time.ts';
import type { CommitLog, Stripe } from '../database/database.ts';
import type { StripeState } from './control.ts';
import { LOG_ANSWER_MS } from './limits.ts';
import type { ScrubDuty } from './scrub-duty.ts';
import type { VaultDuty } from './vault-duty.ts';

export async function stripeState(
  stripe: Stripe,
  options: {
    readonly number: number;
    readonly log: CommitLog;
    readonly folder: string;
    readonly vault: VaultDuty;
    readonly scrub: ScrubDuty;
  },
): Promise<StripeState> {
  const { number, log, folder, vault, scrub } = options;
  const { role, applied, quarantined, quarantinedAt } = stripe.status;
  const [head, primary, snapshot, fileBytes] = await Promise.all([
    unlessAway(() => log.head(stripe.name)),
    unlessAway(() => log.primary(stripe.name)),
    unlessAway(() => log.snapshot(stripe.name)),
    sizeOf(join(folder, `${stripe.name}.sqlite`)),
  ]);
  const figures = stripe.primary?.figures;
  const newest = head?.index ?? applied.index;
  return {
    number,
    role,
    primary: primary?.node,
    why: primary?.why,
    applied: applied.index,
    head: newest,
    logEntries: newest - (snapshot?.index ?? 0),
    fileBytes,
    snapshot: snapshot && {
      index: snapshot.index,
      bytes: snapshot.bytes,
      nodes: snapshot.nodes,
      isStored: vault.has(stripe.name, snapshot.id),
      lacking: role === 'primary' ? vault.lacking(stripe.name) : 0,
    },
    transactions: figures?.transactions ?? 0,
    groups: figures?.entries ?? 0,
    appendMs: figures?.appendMs ?? 0,
    logBytes: figures?.bytes ?? 0,
    rebuilt: quarantined,
    rebuiltAt: quarantinedAt,
    scrub: scrub.state(number),
  };
}

/** While the log cannot be reached, what is known here is shown. */
export async function unlessAway<T>(ask: () => Promise<T>): Promise<T | undefined> {
  const late = (): MolnError => new MolnError('DATABASES_LOG_AWAY', 'The log does not answer');
  try {
    return await withDeadline(LOG_ANSWER_MS, late, ask);
  } catch (error) {
    if (isMolnError(error)) return undefined;
    throw error;
  }
}

async function sizeOf(path: string): Promise<number> {
  const sizes = await Promise.all(
    ['', '-wal'].map(async (suffix) => {
      const found = await stat(`${path}${suffix}`).catch(() => undefined);
      return found?.size ?? 0;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
