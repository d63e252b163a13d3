/**
 * Compares the copies of the stripes of a database that are led here, one after the other: each about once a day, or when somebody asks. What two
 * copies are compared by, and what decides when they differ, is `scrub.ts` of `src/database`.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/disk.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  type BegunDigest,
  type CommitLog,
  replaceCopy,
  rightDigest,
  scrubMirror,
  type SlowReads,
  type SnapshotStore,
  type Stripe,
  type StripeDigest,
} from '../database/database.ts';
import type { ScrubbedCopy, ScrubState } from './control.ts';
import { notReady } from './errors.ts';
import { SCRUB_AGAIN_MS, SCRUB_EVERY_MS } from './limits.ts';
import type { PeerLinks } from './peer-link.ts';

export interface ScrubDutyOptions {
  /** Id of the database, and its name for people. */
  readonly database: string;
  readonly name: string;
  /** This node's id. */
  readonly node: string;
  readonly folder: string;
  /** This node's copies, by number. */
  readonly copies: () => Iterable<readonly [number, Stripe]>;
  /** Ids of the other nodes that have a copy. */
  readonly others: (stripe: string) => readonly string[];
  readonly links: Pick<PeerLinks, 'call'>;
  readonly log: CommitLog;
  readonly snapshots: SnapshotStore;
  readonly slowReads: Pick<SlowReads, 'digest'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ScrubDuty {
  readonly #options: ScrubDutyOptions;
  readonly #beganAt: number;
  readonly #asked = new Set<number>();
  readonly #states = new Map<number, ScrubState>();
  /** Before that a stripe that could not be compared is not tried again by itself. */
  readonly #againMs = new Map<number, number>();
  /** What mirrors that are being compared ask, by stripe. */
  readonly #pins = new Map<string, (least: number) => Promise<number>>();

  constructor(options: ScrubDutyOptions) {
    this.#options = options;
    this.#beganAt = options.clock.now();
  }

  /** All stripes that are led here are compared soon: their numbers. */
  ask(): readonly number[] {
    const led = [...this.#options.copies()].filter(([, stripe]) => stripe.primary !== undefined);
    const numbers = led.map(([number]) => number);
    for (const number of numbers) {
      this.#asked.add(number);
      const { at, step } = this.#states.get(number) ?? {};
      if (step !== 'running') this.#tell(number, { step: 'waiting', at, copies: [] });
    }
    return numbers;
  }

  /** Undefined where it was not compared while this node led it. */
  state(number: number): ScrubState | undefined {
    return this.#states.get(number);
  }

  /** Compares the copies of the next stripe that is due. False when there is none. */
  async tend(): Promise<boolean> {
    for (const [number, stripe] of this.#options.copies()) {
      if (stripe.primary === undefined) {
        this.#forget(number);
        continue;
      }
      await this.#remember(number, stripe.name);
      if (this.#asked.has(number) || (await this.#isDue(number, stripe.name))) {
        await this.#scrub(number, stripe);
        return true;
      }
    }
    return false;
  }

  /** For the node that leads: this one's copy, read as of an entry that it names when it is asked. */
  async digestAt(stripe: Stripe, by: string): Promise<StripeDigest> {
    const { links, database } = this.#options;
    return await stripe.digestAt(
      async (least) => (await links.call(by, 'pinDigest', database, stripe.name, least)) as number,
    );
  }

  /** For a mirror that is being compared: the entry. */
  async pin(stripe: string, least: number): Promise<number> {
    const pin = this.#pins.get(stripe);
    if (pin === undefined) throw notReady(this.#options.name, `${stripe} is not being compared`);
    return await pin(least);
  }

  /** Puts this node's copy aside, for one that is as the log says. */
  async replace(stripe: Stripe, why: string, index: number): Promise<void> {
    await replaceCopy(stripe, why, this.#right(stripe.name, index));
  }

  async #isDue(number: number, stripe: string): Promise<boolean> {
    const { clock, database, others } = this.#options;
    if (others(stripe).length === 0) return false;
    if (clock.monotonicMs() < (this.#againMs.get(number) ?? -Infinity)) return false;
    // Some file systems take the last change for the birth.
    const last =
      this.#states.get(number)?.at ??
      Math.min((await stat(this.#pathOf(stripe))).birthtimeMs, this.#beganAt);
    return isScrubDue(`${database}/${stripe}`, clock.now(), last);
  }

  /** When its copies were last compared here, by another process of this node too. */
  async #remember(number: number, stripe: string): Promise<void> {
    if (this.#states.has(number)) return;
    const mark = await stat(this.#markOf(stripe)).catch(() => undefined);
    if (mark === undefined) return;
    const at = Math.round(mark.mtimeMs);
    this.#states.set(number, { step: 'done', toldAt: at, at, copies: [] });
  }

  async #scrub(number: number, stripe: Stripe): Promise<void> {
    const { others, clock, logger, name } = this.#options;
    const { at } = this.#states.get(number) ?? {};
    this.#asked.delete(number);
    const copies: ScrubbedCopy[] = [];
    this.#tell(number, { step: 'running', at, copies });
    for (const node of others(stripe.name)) copies.push(...(await this.#compare(stripe, node)));
    const failed = copies.find(({ result }) => result === 'failed');
    const step = this.#asked.has(number) ? 'waiting' : 'done';
    const isWhole = copies.length > 0 && failed === undefined;
    this.#tell(number, { step, at: isWhole ? clock.now() : at, copies });
    if (isWhole) await writeFileAtomic(this.#markOf(stripe.name), '');
    if (failed === undefined) return;
    this.#againMs.set(number, clock.monotonicMs() + SCRUB_AGAIN_MS);
    const told = { database: name, stripe: stripe.name, node: failed.node, why: failed.why };
    logger.warn('Two copies of a stripe could not be compared', told);
  }

  async #compare(stripe: Stripe, node: string): Promise<readonly ScrubbedCopy[]> {
    const { links, database, node: self, slowReads } = this.#options;
    const call = (what: string, ...args: readonly unknown[]): Promise<unknown> =>
      links.call(node, what, database, stripe.name, ...args);
    try {
      if (stripe.primary === undefined) throw notReady(this.#options.name, 'another node leads it');
      const wrong = await scrubMirror({
        primary: {
          name: stripe.name,
          beginDigest: (least): Promise<BegunDigest> => stripe.beginDigest(least),
          replace: (why, index) => this.replace(stripe, why, index),
        },
        mirror: {
          digestAt: async (pin) => {
            this.#pins.set(stripe.name, pin);
            return (await call('digestAt', self)) as StripeDigest;
          },
          replace: async (why, index) => {
            await call('replaceCopy', why, index);
          },
        },
        right: (index) => rightDigest(this.#right(stripe.name, index), slowReads),
      });
      const mirror = { node, result: wrong.includes('mirror') ? 'rebuilt' : 'equal' } as const;
      return wrong.includes('primary') ? [{ node: self, result: 'rebuilt' }, mirror] : [mirror];
    } catch (error) {
      return [{ node, result: 'failed', why: messageOf(error) }];
    } finally {
      this.#pins.delete(stripe.name);
    }
  }

  #tell(number: number, state: Omit<ScrubState, 'toldAt'>): void {
    this.#states.set(number, { ...state, toldAt: this.#options.clock.now() });
  }

  /** Who leads it now compares it. */
  #forget(number: number): void {
    this.#asked.delete(number);
    if (this.#states.get(number)?.step === 'waiting') this.#states.delete(number);
  }

  #right(stripe: string, index: number): Parameters<typeof rightDigest>[0] {
    const { log, snapshots } = this.#options;
    return { stripe, log, snapshots, path: this.#pathOf(stripe), index };
  }

  #pathOf(stripe: string): string {
    return join(this.#options.folder, `${stripe}.sqlite`);
  }

  /** Its time is when the copies were last compared here. */
  #markOf(stripe: string): string {
    return `${this.#pathOf(stripe)}.scrubbed`;
  }
}

/** Each stripe has a time of the day of its own, at which its day begins. `last` and `now`: milliseconds since the epoch. Pure. */
export function isScrubDue(stripe: string, now: number, last: number): boolean {
  const offset = createHash('sha256').update(stripe).digest().readUInt32BE(0) % SCRUB_EVERY_MS;
  const dayOf = (at: number): number => Math.floor((at - offset) / SCRUB_EVERY_MS);
  return dayOf(now) > dayOf(last);
}
