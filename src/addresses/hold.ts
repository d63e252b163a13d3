/**
 * What this node holds now: one lease for all its addresses, and the kernel, which is told again and again to keep them, but only
 * right after the registry has said that the lease lives. Whatever stops this (a stopped or killed agent, a cut network) also
 * stops the telling, and the kernel lets the addresses go before the lease can end.
 */
import { strict as assert } from 'node:assert';
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { Lease, Registry } from '../registry/registry.ts';
import {
  ANNOUNCE_EVERY_MS,
  COMMAND_WITHIN_MS,
  FAILED_TELLS_MAX,
  HOLDER_TTL_MS,
  RENEW_EVERY_MS,
  TELL_WITHIN_MS,
} from './limits.ts';
import type { Links, PlacedAddress } from './links.ts';

export interface HoldOptions {
  readonly registry: Registry;
  readonly links: Links;
  /** One whose monotonic time counts the machine's sleep. */
  readonly clock: Clock;
  readonly log: Logger;
  /** The lease was lost, or an address could not be kept: look at the records again. */
  readonly onTrouble: () => void;
}

export class Hold implements Worker {
  readonly name = 'address lease';
  readonly #options: HoldOptions;
  readonly #placed = new Map<string, PlacedAddress>();
  #lease: Lease | undefined;
  #announcedMs = -Infinity;
  /** In a row. */
  #failedTells = 0;
  #status = 'Holds no virtual address';
  #last: Promise<void> = Promise.resolve();

  constructor(options: HoldOptions) {
    this.#options = options;
  }

  status(): string {
    return this.#status;
  }

  get leaseId(): string | undefined {
    return this.#lease?.id;
  }

  get addresses(): readonly string[] {
    return [...this.#placed.keys()];
  }

  async step(): Promise<StepResult> {
    if (this.#placed.size === 0) return { kind: 'idle' };
    const isLate = await this.#inTurn(() => this.#renewNow());
    return isLate ? { kind: 'busy' } : { kind: 'idle', retryInMs: RENEW_EVERY_MS };
  }

  /** A lease that was just granted or renewed. Throws what the registry says. */
  async lease(): Promise<string> {
    return this.#inTurn(async () => {
      await this.#prove();
      return this.#lease?.id ?? '';
    });
  }

  /** After the registry has given it to this node under that lease; nothing is kept when it is not the lease any more. */
  async keep(placed: PlacedAddress, leaseId: string): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#lease?.id !== leaseId) return;
      this.#placed.set(placed.address, placed);
      this.#announcedMs = -Infinity;
      await this.#renewNow();
    });
  }

  /** The kernel has it no longer when this resolves. */
  async drop(address: string): Promise<void> {
    await this.#inTurn(async () => {
      const placed = this.#placed.get(address);
      if (placed === undefined) return;
      this.#placed.delete(address);
      await this.#options.links.drop(placed);
    });
  }

  /** One after the other: an address must not be told again while it is being dropped. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work);
    this.#last = next.then(
      () => undefined,
      () => undefined,
    );
    return next;
  }

  /** True when the registry took too long to say yes. */
  async #renewNow(): Promise<boolean> {
    const { clock, log } = this.#options;
    if (this.#placed.size === 0) {
      this.#status = 'Holds no virtual address';
      return false;
    }
    try {
      assert(this.#lease !== undefined, 'What is held is held under a lease');
      const sentAtMs = await this.#prove();
      // Too late to be proof: the next answer may come sooner, and until then the kernel's time runs.
      if (clock.monotonicMs() - sentAtMs > TELL_WITHIN_MS) return true;
      await this.#tell(sentAtMs);
      this.#status = `Keeps ${this.addresses.join(', ')}`;
    } catch (error) {
      const isNews = !this.#status.startsWith('Cannot');
      this.#status = `Cannot keep ${this.addresses.join(', ')}: ${messageOf(error)}`;
      if (isNews) log.warn('Virtual addresses cannot be kept at the moment', { error });
      this.#options.onTrouble();
    }
    return false;
  }

  /** When the question was sent that the registry has answered with yes. */
  async #prove(): Promise<number> {
    const { registry, clock } = this.#options;
    const sentAtMs = clock.monotonicMs();
    try {
      if (this.#lease === undefined) this.#lease = await registry.lease(HOLDER_TTL_MS);
      else await this.#lease.renew();
    } catch (error) {
      if (!isMolnError(error, 'REGISTRY_LEASE_LOST')) throw error;
      this.#lease = undefined;
      await this.#dropAll();
      throw error;
    }
    return sentAtMs;
  }

  async #tell(sentAtMs: number): Promise<void> {
    const { clock, links, log } = this.#options;
    try {
      await links.tell([...this.#placed.values()]);
      this.#failedTells = 0;
    } catch (error) {
      // Somebody took an interface away, say: the keeper puts all of it up again, or finds out why it cannot.
      if (++this.#failedTells >= FAILED_TELLS_MAX) this.#placed.clear();
      throw error;
    } finally {
      // This process stood still between the look at the clock and the call: nobody knows when the kernel was told.
      if (clock.monotonicMs() - sentAtMs > TELL_WITHIN_MS + COMMAND_WITHIN_MS) {
        log.warn('The agent stood still: its virtual addresses are dropped to be safe');
        await this.#dropAll();
      }
    }
    if (clock.monotonicMs() - this.#announcedMs < ANNOUNCE_EVERY_MS) return;
    this.#announcedMs = clock.monotonicMs();
    for (const placed of this.#placed.values()) await links.announce(placed);
  }

  async #dropAll(): Promise<void> {
    const all = [...this.#placed.values()];
    this.#placed.clear();
    for (const placed of all) await this.#options.links.drop(placed);
    this.#options.onTrouble();
  }
}
