/**
 * A uid for a new app, claimed before its first deploy begins: `/app-uid-claims/<uid>`, with a lease, so that what a crash
 * leaves ends by itself. Deploys through several nodes find out at once that they want the same one, and take another.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Registry } from '../registry/registry.ts';
import { freeUid } from './app-wishes.ts';
import { uidKey } from './app-store.ts';
import type { Removals } from './removals.ts';

/** Longer than any deploy takes; after a crash that uid is not given for so long. */
const CLAIM_MS = 86_400_000;

export interface UidClaim extends AsyncDisposable {
  readonly uid: number;
}

/** Until it is disposed of nobody else gets the uid. Throws `APPS_NO_UID_LEFT`. */
export async function claimUid(options: {
  readonly registry: Registry;
  readonly log: Logger;
  /** Not to be given. */
  readonly used: ReadonlySet<number>;
  /** What nodes have yet to remove: looked at again when a uid is claimed, since another deploy may just have ended. */
  readonly removals: Removals;
  /** Where the search begins; default: anywhere. */
  readonly seed?: number;
}): Promise<UidClaim> {
  const { registry, log, removals, seed } = options;
  const used = new Set(options.used);
  const lease = await registry.lease(CLAIM_MS);
  const end = async (): Promise<void> => {
    try {
      await lease.revoke();
    } catch (error) {
      // It ends with its time.
      log.info('A claim of a uid was not given back', { reason: messageOf(error) });
    }
  };
  try {
    for (;;) {
      const uid = freeUid(used, seed);
      const key = `/app-uid-claims/${uid}`;
      const free = [key, uidKey(uid)].map((each) => ({ key: each, revision: 0 }));
      const value = Buffer.alloc(0);
      const { kind } = await registry.commit(free, [
        { kind: 'put', key, value, leaseId: lease.id },
      ]);
      const isOurs = kind === 'committed' && !(await removals.uids()).includes(uid);
      if (isOurs) return { uid, [Symbol.asyncDispose]: end };
      used.add(uid);
    }
  } catch (error) {
    await end();
    throw error;
  }
}
