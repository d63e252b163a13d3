/**
 * Reads every copy of every block where it lies, when a person asks for it, and has bad ones made anew. Beside it each storage reads all it
 * has by itself, slowly (`src/blobs/scrub.ts`).
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import { type BlockMark, FIRST_MARK, readBlocks } from './blocks.ts';
import type { Places } from './block-writer.ts';
import type { CatalogueLink } from './catalogue-link.ts';
import { NO_BUCKET } from './checkpoint.ts';
import type { Copies } from './copies.ts';
import { text } from './rows.ts';
import { heldOf } from './share-plan.ts';

export interface ScrubState {
  readonly isRunning: boolean;
  readonly copies: number;
  readonly bytes: number;
  readonly damaged: number;
  /** Their places did not answer. */
  readonly unread: number;
  readonly endedAt: number | undefined;
}

export interface ScrubOptions {
  readonly link: CatalogueLink;
  readonly places: Pick<Places, 'blobs'>;
  readonly copies: Copies;
  readonly onDamage: () => void;
  readonly onWake: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const NONE = { copies: 0, bytes: 0, damaged: 0, unread: 0 };

export class Scrub implements Worker {
  readonly name = 'files-scrub';
  readonly #options: ScrubOptions;
  /** Those that are still to be read; undefined while nothing is. */
  #buckets: string[] | undefined;
  #after: BlockMark = FIRST_MARK;
  #seen = NONE;
  #endedAt: number | undefined;

  constructor(options: ScrubOptions) {
    this.#options = options;
  }

  state(): ScrubState {
    return { isRunning: this.#buckets !== undefined, ...this.#seen, endedAt: this.#endedAt };
  }

  status(): string {
    const { copies, damaged } = this.#seen;
    if (this.#buckets !== undefined) return `has read ${copies} copies, ${damaged} were bad`;
    if (this.#endedAt === undefined) return 'waits to be asked';
    return `read ${copies} copies, ${damaged} were bad`;
  }

  /** Begins anew, unless it is under way. */
  async begin(): Promise<ScrubState> {
    if (this.#buckets === undefined) {
      const rows = await this.#options.link.all('SELECT bucket FROM bucket ORDER BY bucket', []);
      this.#seen = NONE;
      this.#after = FIRST_MARK;
      this.#buckets = [...rows.map(([name]) => text(name)), NO_BUCKET];
      this.#options.onWake();
    }
    return this.state();
  }

  /** One page of blocks. */
  async step(signal: AbortSignal): Promise<StepResult> {
    const { link, clock, onDamage } = this.#options;
    const [bucket] = this.#buckets ?? [];
    if (bucket === undefined) return { kind: 'idle' };
    const { blocks, next } = await readBlocks(link, bucket, this.#after);
    for (const { block, place } of blocks.flatMap(heldOf)) {
      signal.throwIfAborted();
      await this.#read(bucket, block, place);
    }
    this.#after = next ?? FIRST_MARK;
    if (next === undefined) this.#buckets = this.#buckets?.slice(1);
    if (this.#buckets?.length !== 0) return { kind: 'busy' };
    this.#buckets = undefined;
    this.#endedAt = clock.now();
    if (this.#seen.damaged > 0) onDamage();
    return { kind: 'idle' };
  }

  async #read(
    bucket: string,
    { cid, length }: { readonly cid: string; readonly length: number },
    place: string,
  ): Promise<void> {
    const { places, copies, log } = this.#options;
    const { unread, damaged } = this.#seen;
    try {
      const verdict = await places.blobs(place)?.verify(cid);
      if (verdict === undefined) return void (this.#seen = { ...this.#seen, unread: unread + 1 });
      this.#seen = {
        ...this.#seen,
        copies: this.#seen.copies + 1,
        bytes: this.#seen.bytes + length,
        damaged: damaged + (verdict === 'good' ? 0 : 1),
      };
      if (verdict !== 'good') await copies.miss(bucket, cid, place);
    } catch (error) {
      this.#seen = { ...this.#seen, unread: unread + 1 };
      log.debug('A copy could not be read', { cid, place, why: messageOf(error) });
    }
  }
}
