/**
 * Keeps copies where policies want them: a worker that goes through all blocks when something has changed (a place came, went, is drained,
 * a policy is another one, a copy was found damaged) or may have become cold, then makes the copies and shares that lack, the blocks with
 * the fewest first, and last puts cold blocks into shares and evens out disks. It keeps to the rate that people set; each node lets its
 * clients go first (`src/blobs/pace.ts`).
 */
import { messageOf } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { BlockCoder } from './block-coder.ts';
import { type BlockMark, FIRST_MARK, readBlocks } from './blocks.ts';
import type { CatalogueLink } from './catalogue-link.ts';
import { checkpointPolicy, NO_BUCKET } from './checkpoint.ts';
import type { Copies } from './copies.ts';
import {
  COLD_LOOK_EVERY_MS,
  REPAIR_AGAIN_MS,
  REPAIR_AT_A_TIME,
  REPAIR_IN_A_STEP,
  REPAIR_NEWS_MS,
  REPAIR_QUEUED_MAX,
  REPAIR_REST_MS,
} from './limits.ts';
import { asItCanBe, type Place } from './placement.ts';
import type { PlaceView } from './place-table.ts';
import { parsePolicy, type Policy } from './policy.ts';
import { byUrgency, type CopyTask, type Move, moveOf, restMs } from './repair-plan.ts';
import { text } from './rows.ts';
import { heldOf, planBlock, type RepairTask } from './share-plan.ts';

export interface RepairState {
  readonly isRunning: boolean;
  /** What it does, in words. */
  readonly doing: string;
  /** Blocks that lack a copy for which there is no place, as of the last whole look. */
  readonly missing: number;
  /** Blocks of which no copy is left in any place. */
  readonly lost: number;
  /** Copies that are known to be due now. */
  readonly queued: number;
  readonly queuedBytes: number;
  readonly copied: number;
  readonly copiedBytes: number;
  /** Blocks that are to become shares, or are to have all of them again, and that were since this process began. */
  readonly codesQueued: number;
  readonly coded: number;
  readonly failed: number;
  /** Of the last copies; undefined while none was made. */
  readonly bytesPerSecond: number | undefined;
  /** At most so much; undefined: as fast as it goes beside clients. */
  readonly rate: number | undefined;
  /** Of a copy that could not be made, the last one. */
  readonly why: string | undefined;
}

export interface RepairOptions {
  readonly link: CatalogueLink;
  readonly places: {
    all(): readonly Place[];
    views(): readonly Pick<PlaceView, 'id' | 'state' | 'usage' | 'isLeaving' | 'isForgotten'>[];
  };
  readonly copies: Copies;
  readonly coder: BlockCoder;
  /** Whether this node is the one that repairs. */
  readonly isFirst: () => boolean;
  /** What changes a place's row. */
  readonly setState: (place: string, state: 'used' | 'drain' | 'removed') => Promise<void>;
  readonly onWake: () => void;
  readonly clock: Clock;
}

/** A look at all blocks: what is left of it. */
interface Look {
  readonly buckets: [bucket: string, policy: Policy][];
  after: BlockMark;
  readonly move: Move | undefined;
  readonly bytesAt: Map<string, number>;
  movedBytes: number;
  missing: number;
  lost: number;
  /** Copies of places that go were made, so that there is more to do at once. */
  isAgain: boolean;
}

const SETTING = { path: 'repair', name: 'rate' } as const;

export class Repair implements Worker {
  readonly name = 'files-repair';
  readonly #options: RepairOptions;
  #isWanted = true;
  #look: Look | undefined;
  #queue: RepairTask[] = [];
  /** What is being made. */
  readonly #underWay = new Set<RepairTask>();
  /** Of the queue: blocks to be looked at again when these are done. */
  readonly #changing = new WeakSet<RepairTask>();
  #missing = 0;
  #lost = 0;
  #copied = 0;
  #copiedBytes = 0;
  #coded = 0;
  #failed = 0;
  #bytesPerSecond: number | undefined;
  #rate: number | undefined;
  #why: string | undefined;
  /** Policies of all buckets, as it knows them. */
  #policies = '';
  #hasNotes = false;
  /** A policy puts cold blocks into shares. */
  #hasCodes = false;
  #newsMs = 0;
  #lookedMs = 0;
  /** Bytes of blocks by place, as the last look found them. */
  #bytesAt: ReadonlyMap<string, number> = new Map();

  constructor(options: RepairOptions) {
    this.#options = options;
  }

  state(): RepairState {
    const due = [...this.#queue, ...this.#underWay];
    return {
      isRunning: this.#look !== undefined || due.length > 0,
      doing: this.status(),
      missing: this.#missing,
      lost: this.#lost,
      queued: due.length,
      queuedBytes: due.reduce((sum, { block }) => sum + block.length, 0),
      copied: this.#copied,
      copiedBytes: this.#copiedBytes,
      codesQueued: due.filter((task) => 'shares' in task).length,
      coded: this.#coded,
      failed: this.#failed,
      bytesPerSecond: this.#bytesPerSecond,
      rate: this.#rate,
      why: this.#why,
    };
  }

  status(): string {
    const due = [...this.#queue, ...this.#underWay];
    const codes = due.filter((task) => 'shares' in task).length;
    const parts = [
      due.length > codes ? `makes ${due.length - codes} copies` : '',
      codes > 0 ? `puts ${codes} blocks into shares` : '',
    ].filter((part) => part !== '');
    if (parts.length > 0) return parts.join(', ');
    if (this.#look !== undefined) return 'looks at all blocks';
    return this.#missing > 0 ? 'waits for places' : 'waits for something to repair';
  }

  /** Looks at everything, now or after what is looked at now. */
  wake(): void {
    this.#isWanted = true;
    this.#options.onWake();
  }

  /** Copies leave this place, then it is removed. */
  async drain(place: string): Promise<{ readonly id: string; readonly state: string }> {
    await this.#options.setState(place, 'drain');
    this.wake();
    return { id: place, state: 'drain' };
  }

  /** On all nodes, from now on. Null: no limit. */
  async setRate(bytesPerSecond: number | null): Promise<void> {
    const args = [NO_BUCKET, SETTING.path, SETTING.name];
    await this.#options.link.run([
      { sql: 'DELETE FROM property WHERE bucket = ? AND path = ? AND name = ?', args },
      ...(bytesPerSecond === null
        ? []
        : [
            {
              sql: 'INSERT INTO property (bucket, path, name, value) VALUES (?, ?, ?, ?)',
              args: [...args, String(bytesPerSecond)],
            },
          ]),
    ]);
    this.#rate = bytesPerSecond ?? undefined;
  }

  async step(signal: AbortSignal): Promise<StepResult> {
    if (!this.#options.isFirst()) {
      this.#look = undefined;
      this.#queue = [];
      return { kind: 'idle', retryInMs: REPAIR_NEWS_MS };
    }
    const isUrgent = this.#look === undefined || this.#queue.length >= REPAIR_QUEUED_MAX;
    if (this.#queue.length > 0 && isUrgent) {
      await this.#doSome(signal);
      return { kind: 'busy' };
    }
    if (this.#look !== undefined) {
      await this.#lookOn(this.#look);
      return { kind: 'busy' };
    }
    if (this.#isWanted || (await this.#hasNews()) || this.#mayBeCold()) {
      this.#isWanted = false;
      this.#look = await this.#begin();
      return { kind: 'busy' };
    }
    await this.#removeDrained();
    const isWaiting = this.#missing > 0 && this.#canHelp();
    if (isWaiting) this.#isWanted = true;
    return { kind: 'idle', retryInMs: isWaiting ? REPAIR_AGAIN_MS : REPAIR_NEWS_MS };
  }

  #mayBeCold(): boolean {
    return (
      this.#hasCodes && this.#options.clock.monotonicMs() - this.#lookedMs >= COLD_LOOK_EVERY_MS
    );
  }

  /** With one place nothing can be done until there is another, which wakes it. */
  #canHelp(): boolean {
    return this.#options.places.all().filter(({ state }) => state === 'good').length > 1;
  }

  /** What other nodes did. */
  async #hasNews(): Promise<boolean> {
    const [policies = [], notes = [], rate = []] = await this.#options.link.read([
      { sql: 'SELECT bucket, policy FROM bucket ORDER BY bucket' },
      { sql: "SELECT 1 FROM todo WHERE kind = 'copy' LIMIT 1" },
      {
        sql: 'SELECT value FROM property WHERE bucket = ? AND path = ? AND name = ?',
        args: [NO_BUCKET, SETTING.path, SETTING.name],
      },
    ]);
    this.#rate = rate[0] === undefined ? undefined : Number(rate[0][0]);
    this.#hasNotes = notes.length > 0;
    this.#newsMs = this.#options.clock.monotonicMs();
    return this.#hasNotes || JSON.stringify(policies) !== this.#policies;
  }

  async #begin(): Promise<Look> {
    const { link, places } = this.#options;
    await this.#hasNews();
    const rows = await link.all('SELECT bucket, policy FROM bucket ORDER BY bucket', []);
    this.#policies = JSON.stringify(rows);
    this.#lookedMs = this.#options.clock.monotonicMs();
    // What was noted by now is seen by this look.
    if (this.#hasNotes) await link.run([{ sql: "DELETE FROM todo WHERE kind = 'copy'" }]);
    const all = places.all();
    const buckets = rows.map(([bucket, policy]): [string, Policy] => [
      text(bucket),
      asItCanBe(parsePolicy(text(policy)), all),
    ]);
    this.#hasCodes = buckets.some(([, { coded }]) => coded !== undefined);
    return {
      buckets: [...buckets, [NO_BUCKET, checkpointPolicy(all)]],
      after: FIRST_MARK,
      move: this.#move(),
      bytesAt: new Map(),
      movedBytes: 0,
      missing: 0,
      lost: 0,
      isAgain: false,
    };
  }

  /** Only when all blocks have their copies. */
  #move(): Move | undefined {
    if (this.#missing > 0) return undefined;
    const filled = this.#options.places.views().map(({ id, state, usage }) => {
      const usedBytes = this.#bytesAt.get(id) ?? 0;
      return { id, state, usedBytes, limitBytes: usage?.limitBytes ?? 0 };
    });
    return this.#bytesAt.size === 0 ? undefined : moveOf(filled);
  }

  /** One page more. */
  async #lookOn(look: Look): Promise<void> {
    const { link, places, copies, coder, clock } = this.#options;
    const [bucket, policy] = look.buckets[0] ?? [];
    if (bucket === undefined || policy === undefined) return await this.#end(look);
    const { blocks, next } = await readBlocks(link, bucket, look.after);
    const all = places.all();
    let { movedBytes } = look;
    const plans = blocks.map((placed) => {
      const move = movedBytes < (look.move?.bytes ?? 0) ? look.move : undefined;
      const plan = planBlock(placed, { policy, all, move, nowMs: clock.now() });
      const [first] = plan.tasks;
      if (first !== undefined && 'instead' in first && first.instead !== undefined)
        movedBytes += first.block.length;
      return { placed, plan };
    });
    await copies.drop(plans.flatMap(({ plan }) => plan.surplus));
    await copies.forget(plans.flatMap(({ plan }) => plan.forgotten));
    // Behind them, for these look at what is left.
    for (const { placed, plan } of plans) {
      if (plan.copiesGo.length > 0) await coder.dropCopies(placed.block, plan.copiesGo);
      if (plan.sharesGo) await coder.dropShares(placed.block, policy.slots.length);
    }
    // Nothing of a page counts before all of it does: one that fails is looked at again, and its tasks would be there twice.
    look.movedBytes = movedBytes;
    for (const { placed, plan } of plans) {
      const held = heldOf(placed);
      for (const { block, place } of held) add(look.bytesAt, place, block.length);
      this.#queue.push(...plan.tasks);
      if (plan.isChanging) for (const task of plan.tasks) this.#changing.add(task);
      if (plan.lacking > 0) look.missing += 1;
      if (plan.isLost) look.lost += 1;
      const ids = new Set(held.map(({ place }) => place));
      const leaves = all.some(({ id, state }) => ids.has(id) && isLeaving(state));
      if (plan.tasks.length > 0 && leaves) look.isAgain = true;
    }
    this.#queue.sort(byUrgency);
    if (next !== undefined) look.after = next;
    else {
      look.buckets.shift();
      look.after = FIRST_MARK;
    }
  }

  async #end(look: Look): Promise<void> {
    this.#look = undefined;
    this.#missing = look.missing;
    this.#lost = look.lost;
    this.#bytesAt = look.bytesAt;
    // To even out disks all blocks are looked at once more, unless that was just done and no block fitted.
    const isUneven =
      this.#queue.length === 0 && look.move === undefined && this.#move() !== undefined;
    if (look.isAgain || isUneven) this.#isWanted = true;
    await this.#removeDrained();
  }

  async #doSome(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    await this.#hearNews();
    const startMs = clock.monotonicMs();
    const startBytes = this.#copiedBytes;
    // With a rate it copies little and rests, else as much as may wait for the next look.
    const most = this.#rate === undefined ? REPAIR_IN_A_STEP : REPAIR_AT_A_TIME;
    await this.#doAll(this.#queue.splice(0, most), signal);
    const bytes = this.#copiedBytes - startBytes;
    for (;;) {
      const tookMs = Math.max(1, clock.monotonicMs() - startMs);
      this.#bytesPerSecond = Math.round((bytes * 1000) / tookMs);
      const pauseMs = restMs({ bytes, tookMs, bytesPerSecond: this.#rate });
      if (pauseMs === 0) return;
      // In short rests, for the rate may become another one.
      await clock.sleep(Math.min(pauseMs, REPAIR_REST_MS), signal);
      await this.#hearNews();
    }
  }

  async #hearNews(): Promise<void> {
    if (this.#options.clock.monotonicMs() - this.#newsMs > REPAIR_NEWS_MS) await this.#hasNews();
  }

  async #doAll(tasks: readonly RepairTask[], signal: AbortSignal): Promise<void> {
    const onEnd = (task: RepairTask, why: string | undefined): void => this.#ended(task, why);
    for (const task of tasks) this.#underWay.add(task);
    const { copies } = this.#options;
    await Promise.all([
      copies.make(tasks.filter(isCopy), onEnd, signal),
      this.#code(tasks, signal),
    ]);
    for (const task of tasks) this.#underWay.delete(task);
  }

  /** What is no copy of what is there. */
  async #code(tasks: readonly RepairTask[], signal: AbortSignal): Promise<void> {
    const { coder } = this.#options;
    for (const task of tasks) {
      if (signal.aborted) return;
      if (isCopy(task)) continue;
      try {
        const made = 'shares' in task ? coder.encode(task) : coder.restore(task.block, task.whole);
        this.#ended(task, await made);
      } catch (error) {
        this.#ended(task, messageOf(error));
      }
    }
  }

  #ended(task: RepairTask, why: string | undefined): void {
    this.#underWay.delete(task);
    if (why === undefined) {
      if (this.#changing.has(task)) this.#isWanted = true;
      if ('shares' in task) this.#coded += 1;
      else this.#copied += 1;
      this.#copiedBytes += task.block.length;
      return;
    }
    this.#failed += 1;
    this.#why = why;
    // It waits for the next look, and holds up no other.
    this.#missing += 1;
  }

  /** A place that is drained, or whose node was forgotten, and that has nothing any more is a place no longer. */
  async #removeDrained(): Promise<void> {
    const { link, places, setState } = this.#options;
    for (const { id, isLeaving: isDrained, isForgotten } of places.views()) {
      if (!isDrained && !isForgotten) continue;
      const [copies, drops] = await link.read([
        { sql: 'SELECT 1 FROM copy WHERE place = ? LIMIT 1', args: [id] },
        { sql: "SELECT 1 FROM todo WHERE kind = 'drop' AND place = ? LIMIT 1", args: [id] },
      ]);
      if ((copies ?? []).length > 0 || (drops ?? []).length > 0) continue;
      await setState(id, 'removed');
    }
  }
}

function add(sums: Map<string, number>, key: string, bytes: number): void {
  sums.set(key, (sums.get(key) ?? 0) + bytes);
}

function isCopy(task: RepairTask): task is CopyTask {
  return 'to' in task;
}

function isLeaving(state: Place['state']): boolean {
  return state === 'drain' || state === 'lost';
}
