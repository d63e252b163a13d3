/** The background work of this node's file process, as workers under one runner: seen with `moln files repair`. */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { type Worker, WorkerRunner, type WorkerState } from '../base/worker.ts';
import { BlockCoder } from './block-coder.ts';
import type { Checkpoints } from './checkpoint.ts';
import type { Collector } from './collector.ts';
import type { CopyPlaces } from './copies.ts';
import { Copies } from './copies.ts';
import { COLLECT_EVERY_MS, INVENTORY_EVERY_MS, INVENTORY_FIRST_MS } from './limits.ts';
import { Repair, type RepairOptions } from './repair.ts';
import { Scrub, type ScrubState } from './scrub.ts';
import type { Sessions } from './sessions.ts';
import type { PlaceTable } from './place-table.ts';

export interface UpkeepOptions extends Pick<RepairOptions, 'link' | 'isFirst'> {
  readonly places: PlaceTable & CopyPlaces;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Upkeep implements AsyncDisposable {
  readonly #runner: WorkerRunner;
  readonly copies: Copies;
  readonly repair: Repair;
  readonly scrub: Scrub;

  constructor(options: UpkeepOptions) {
    const { link, places, clock, log } = options;
    const runner = new WorkerRunner({ clock, log });
    this.#runner = runner;
    this.copies = new Copies(options);
    this.repair = new Repair({
      ...options,
      copies: this.copies,
      coder: new BlockCoder({ ...options, copies: this.copies }),
      setState: (place, state) => places.change(place, { state }),
      onWake: () => runner.wake('files-repair'),
    });
    this.scrub = new Scrub({
      link,
      places,
      copies: this.copies,
      onDamage: () => this.repair.wake(),
      onWake: () => runner.wake('files-scrub'),
      clock,
      log,
    });
  }

  /** Begins all of it. */
  start({
    collector,
    checkpoints,
    isFirst,
    places,
    clock,
  }: {
    readonly collector: Collector;
    readonly checkpoints: Checkpoints;
    readonly isFirst: () => boolean;
    readonly places: Pick<PlaceTable, 'look'>;
    readonly clock: Clock;
  }): void {
    let inventoryMs = clock.monotonicMs() + INVENTORY_FIRST_MS;
    const workers: readonly Worker[] = [
      this.repair,
      this.scrub,
      {
        name: 'files-collect',
        status: () => 'takes away what nothing refers to any more',
        step: async () => {
          const idle = { kind: 'idle', retryInMs: COLLECT_EVERY_MS } as const;
          if (!isFirst()) return idle;
          await places.look();
          return (await collector.step()) ? { kind: 'busy' } : idle;
        },
      },
      {
        name: 'files-checkpoint',
        status: () => 'puts what the catalogue knows on the storages',
        step: async () => {
          if (isFirst()) await checkpoints.step();
          return { kind: 'idle', retryInMs: COLLECT_EVERY_MS };
        },
      },
      {
        name: 'files-inventory',
        status: () => 'compares storages with the catalogue once a day',
        step: async () => {
          const now = clock.monotonicMs();
          if (isFirst() && now >= inventoryMs) {
            await collector.takeInventory();
            inventoryMs = now + INVENTORY_EVERY_MS;
          }
          return { kind: 'idle', retryInMs: Math.max(COLLECT_EVERY_MS, inventoryMs - now) };
        },
      },
    ];
    for (const worker of workers) this.#runner.add(worker);
  }

  workers(): readonly WorkerState[] {
    return this.#runner.list();
  }

  async scrubNow(): Promise<ScrubState> {
    return await this.scrub.begin();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runner[Symbol.asyncDispose]();
  }
}
