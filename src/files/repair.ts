/**
 * Keeps copies where policies want them. Looks at every block when something has changed: a place came, went, is drained, or a policy is
 * another one. Each step writes down where a copy is going to be before it is made, so that it is no garbage on the way.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Places } from './block-writer.ts';
import type { CatalogueLink, Row } from './catalogue-link.ts';
import { CHECKPOINT_POLICY, NO_BUCKET } from './checkpoint.ts';
import { nearest } from './nearest.ts';
import { asItCanBe, choose, judge, type Place } from './placement.ts';
import { parsePolicy, type Policy } from './policy.ts';
import { REPAIR_AGAIN_MS, REPAIR_AT_A_TIME, REPAIR_PAGE } from './limits.ts';
import { number, text } from './rows.ts';
import type { Sessions } from './sessions.ts';

export interface RepairState {
  readonly isRunning: boolean;
  /** Blocks that lack a copy, as of the last whole look. */
  readonly missing: number;
  readonly copied: number;
  readonly failed: number;
  /** Of a copy that could not be made, the last one. */
  readonly why: string | undefined;
}

export interface RepairOptions {
  readonly link: CatalogueLink;
  readonly places: Places & {
    views(): readonly {
      readonly id: string;
      readonly isLeaving: boolean;
      readonly isForgotten: boolean;
    }[];
  };
  readonly sessions: Sessions;
  /** What changes a place's row. */
  readonly setState: (place: string, state: 'used' | 'drain' | 'removed') => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Block {
  readonly bucket: string;
  readonly fid: string;
  readonly index: number;
  readonly cid: string;
  readonly length: number;
  readonly sha256: string;
}

/** Of a whole look at one bucket. */
interface Seen {
  missing: number;
  /** Copies that are where they should not be. */
  surplus: number;
}

export class Repair implements AsyncDisposable {
  readonly #options: RepairOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #isWanted = false;
  #missing = 0;
  #copied = 0;
  #failed = 0;
  #why: string | undefined;
  #again: Disposable | undefined;

  constructor(options: RepairOptions) {
    this.#options = options;
  }

  state(): RepairState {
    return {
      isRunning: this.#running !== undefined,
      missing: this.#missing,
      copied: this.#copied,
      failed: this.#failed,
      why: this.#why,
    };
  }

  /** Looks at everything, now or after what is looked at now. */
  wake(): void {
    this.#isWanted = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Copies leave this place, then it is removed. */
  async drain(place: string): Promise<{ readonly id: string; readonly state: string }> {
    await this.#options.setState(place, 'drain');
    this.wake();
    return { id: place, state: 'drain' };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The file process ends'));
    this.#again?.[Symbol.dispose]();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log } = this.#options;
    while (this.#isWanted && !this.#stop.signal.aborted) {
      this.#isWanted = false;
      try {
        await this.#lookAtAll();
      } catch (error) {
        this.#why = messageOf(error);
        if (!this.#stop.signal.aborted) log.warn('Repair broke off', { why: this.#why });
        this.#later();
      }
    }
    if (this.#missing > 0 && this.#canHelp()) this.#later();
  }

  #later(): void {
    this.#again?.[Symbol.dispose]();
    this.#again = this.#options.clock.after(REPAIR_AGAIN_MS, () => this.wake());
  }

  /** With one place nothing can be done until there is another, which wakes it. */
  #canHelp(): boolean {
    return this.#options.places.all().filter(({ state }) => state === 'good').length > 1;
  }

  async #lookAtAll(): Promise<void> {
    const buckets = await this.#options.link.all('SELECT bucket, policy FROM bucket', []);
    const all = this.#options.places.all();
    const seen: Seen = { missing: 0, surplus: 0 };
    for (const [bucket, policy] of [...buckets, [NO_BUCKET, CHECKPOINT_POLICY]]) {
      await this.#lookAt(text(bucket), asItCanBe(parsePolicy(text(policy)), all), seen);
    }
    this.#missing = seen.missing;
    await this.#removeDrained();
  }

  async #lookAt(bucket: string, policy: Policy, seen: Seen): Promise<void> {
    const { link } = this.#options;
    let after: readonly [string, number] = ['', -1];
    for (;;) {
      this.#stop.signal.throwIfAborted();
      const rows = await link.all(
        `SELECT fid, idx, cid, length, sha256 FROM chunk
         WHERE bucket = ? AND (fid > ? OR (fid = ? AND idx > ?)) ORDER BY fid, idx LIMIT ${REPAIR_PAGE}`,
        [bucket, after[0], after[0], after[1]],
      );
      const blocks = rows.map((row) => blockOf(bucket, row));
      const first = blocks[0];
      const last = blocks.at(-1);
      if (first === undefined || last === undefined) return;
      const copies = await link.all(
        'SELECT cid, place FROM copy WHERE bucket = ? AND cid >= ? AND cid <= ?',
        [bucket, first.cid, last.cid],
      );
      await this.#see(blocks, copies, { policy, seen });
      if (rows.length < REPAIR_PAGE) return;
      after = [last.fid, last.index];
    }
  }

  async #see(
    blocks: readonly Block[],
    copies: readonly Row[],
    { policy, seen }: { readonly policy: Policy; readonly seen: Seen },
  ): Promise<void> {
    const all = this.#options.places.all();
    const placesOf = Map.groupBy(copies, ([cid]) => text(cid));
    const waiting = [...blocks];
    const worker = async (): Promise<void> => {
      for (let block = waiting.shift(); block !== undefined; block = waiting.shift()) {
        const ids = (placesOf.get(block.cid) ?? []).map(([, place]) => text(place));
        await this.#mend(block, { policy, seen, ids, all });
      }
    };
    await Promise.all(Array.from({ length: REPAIR_AT_A_TIME }, worker));
  }

  async #mend(
    block: Block,
    given: {
      readonly policy: Policy;
      readonly seen: Seen;
      readonly ids: readonly string[];
      readonly all: readonly Place[];
    },
  ): Promise<void> {
    const { policy, seen, ids, all } = given;
    const have = all.filter(({ id }) => ids.includes(id));
    const verdict = judge(policy, have);
    if (verdict.isSatisfied) {
      await this.#trim(block, verdict.surplus);
      await this.#forget(
        block,
        ids.filter((id) => !have.some((place) => place.id === id && place.state !== 'lost')),
      );
      return;
    }
    const wanted = choose(policy, { cid: block.cid, places: all, have });
    let made = 0;
    for (const place of wanted) {
      if (await this.#copy(block, { to: place, from: ids })) made += 1;
    }
    if (verdict.missing.length > made) seen.missing += 1;
    else if (have.some(({ state }) => state === 'drain' || state === 'lost')) this.#isWanted = true;
  }

  /** False when it could not be made now. */
  async #copy(
    block: Block,
    { to, from }: { readonly to: Place; readonly from: readonly string[] },
  ): Promise<boolean> {
    const { places, log, sessions, clock } = this.#options;
    const target = places.blobs(to.id);
    if (target === undefined) return false;
    await using session = await sessions.take();
    for (const source of nearest(places, from)) {
      const blobs = places.blobs(source.id);
      if (blobs === undefined) continue;
      try {
        if (!(await this.#announce(block, to.id, session.seq))) return false;
        const { body } = await blobs.get(block.cid);
        await target.put(block.cid, body, {
          fid: block.fid,
          index: block.index,
          allocSeq: session.seq,
          createdAt: clock.now(),
          maxBytes: block.length,
          length: block.length,
          sha256: block.sha256,
        });
        return await this.#enter(block, to.id);
      } catch (error) {
        this.#failed += 1;
        this.#why = messageOf(error);
        log.warn('A copy could not be made', {
          cid: block.cid,
          from: source.id,
          to: to.id,
          why: this.#why,
        });
        places.suspect(source.id);
      }
    }
    return false;
  }

  /** From now on what lies there is no garbage. False when that place still has to remove the same block. */
  async #announce({ bucket, cid }: Block, place: string, session: number): Promise<boolean> {
    const args = [bucket, cid, place];
    return await this.#options.link.transaction(
      [
        {
          sql: "SELECT 1 FROM todo WHERE bucket = ? AND kind = 'drop' AND ref = ? AND place = ?",
          args,
        },
        { sql: 'SELECT 1 FROM alloc WHERE bucket = ? AND cid = ? AND place = ?', args },
      ],
      ([drops, allocs]) => {
        if ((drops ?? []).length > 0) return { writes: [], result: false };
        if ((allocs ?? []).length > 0) return { writes: [], result: true };
        return {
          writes: [
            {
              sql: 'INSERT INTO alloc (bucket, cid, place, session) VALUES (?, ?, ?, ?)',
              args: [...args, session],
            },
          ],
          result: true,
        };
      },
    );
  }

  /** The copy counts, unless the block has been given up meanwhile. */
  async #enter({ bucket, fid, cid, index }: Block, place: string): Promise<boolean> {
    const args = [bucket, cid, place];
    const isThere = await this.#options.link.transaction(
      [
        {
          sql: 'SELECT 1 FROM chunk WHERE bucket = ? AND fid = ? AND idx = ?',
          args: [bucket, fid, index],
        },
        { sql: 'SELECT 1 FROM copy WHERE bucket = ? AND cid = ? AND place = ?', args },
      ],
      ([chunks, copies]) => ({
        writes: [
          { sql: 'DELETE FROM alloc WHERE bucket = ? AND cid = ? AND place = ?', args },
          ...((chunks ?? []).length > 0 && (copies ?? []).length === 0
            ? [{ sql: 'INSERT INTO copy (bucket, cid, place) VALUES (?, ?, ?)', args }]
            : []),
        ],
        result: (chunks ?? []).length > 0,
      }),
    );
    if (isThere) this.#copied += 1;
    return isThere;
  }

  /** Copies that the policy does not want go, those of drained places above all. */
  async #trim(block: Block, surplus: readonly Place[]): Promise<void> {
    const { link, clock } = this.#options;
    for (const place of surplus) {
      if (place.state === 'away') continue;
      const args = [block.bucket, block.cid, place.id];
      await link.run([
        { sql: 'DELETE FROM copy WHERE bucket = ? AND cid = ? AND place = ?', args },
        {
          sql: `INSERT INTO todo (bucket, kind, ref, place, prio, due, fails) VALUES (?, 'drop', ?, ?, 1, ?, 0)`,
          args: [...args, clock.now()],
        },
      ]);
    }
  }

  /** Copies in places that are lost count no more, as soon as there are enough others; should they come back, they are garbage. */
  async #forget({ bucket, cid }: Block, places: readonly string[]): Promise<void> {
    for (const place of places)
      await this.#options.link.run([
        {
          sql: 'DELETE FROM copy WHERE bucket = ? AND cid = ? AND place = ?',
          args: [bucket, cid, place],
        },
      ]);
  }

  /** A place that is drained, or whose node was forgotten, and that has nothing any more is a place no longer. */
  async #removeDrained(): Promise<void> {
    const { link, places, setState } = this.#options;
    for (const { id, isLeaving, isForgotten } of places.views()) {
      if (!isLeaving && !isForgotten) continue;
      const [copies, drops] = await link.read([
        { sql: 'SELECT 1 FROM copy WHERE place = ? LIMIT 1', args: [id] },
        { sql: "SELECT 1 FROM todo WHERE kind = 'drop' AND place = ? LIMIT 1", args: [id] },
      ]);
      if ((copies ?? []).length > 0 || (drops ?? []).length > 0) continue;
      await setState(id, 'removed');
    }
  }
}

function blockOf(bucket: string, [fid, idx, cid, length, sha256]: Row): Block {
  return {
    bucket,
    fid: text(fid),
    index: number(idx),
    cid: text(cid),
    length: number(length),
    sha256: text(sha256),
  };
}
