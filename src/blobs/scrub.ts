/**
 * Reads every blob again once in three weeks or so, slowly, and puts aside what is damaged. How far it has come is kept in the
 * back end, so that restarts do not begin it anew.
 */
import { join } from 'node:path';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { randomShare } from '../base/ids.ts';
import { integer, object } from '../base/schema.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { FolderStore } from './folder-store.ts';

export interface ScrubSettings {
  /** From the end of one to the beginning of the next; up to a third more or less, so that nodes do not all read at once. */
  readonly everyMs?: number;
  readonly bytesPerSecond?: number;
}

export interface ScrubOptions extends ScrubSettings {
  readonly clock: Clock;
  readonly stores: () => readonly FolderStore[];
}

/** All that begin with two hex digits are done in one go. */
const PARTS = 256;
const EVERY_MS = 21 * 86_400_000;
const BYTES_PER_SECOND = 4_000_000;
const SPREAD = 1 / 3;
const LOOK_MS = 3_600_000;
/** A pause shorter than this is not worth a timer. */
const PAUSE_MS_MIN = 20;
const STATE_FILE = 'SCRUB';

const STATE = object({
  /** From 0 to 256. */
  nextPart: integer({ min: 0, max: PARTS }),
  dueAt: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
});

interface State {
  nextPart: number;
  dueAt: number;
}

export class Scrub implements Worker {
  readonly name = 'blobs-scrub';
  readonly #options: ScrubOptions;
  readonly #states = new WeakMap<FolderStore, State>();
  #status = 'waits until blobs are due to be read again';
  #damaged = 0;

  constructor(options: ScrubOptions) {
    this.#options = options;
  }

  status(): string {
    return `${this.#status}; ${this.#damaged} were damaged since the start`;
  }

  async step(signal: AbortSignal): Promise<StepResult> {
    const now = this.#options.clock.now();
    let nextMs = LOOK_MS;
    for (const store of this.#options.stores()) {
      const state = await this.#stateOf(store);
      if (state.dueAt > now) {
        nextMs = Math.min(nextMs, state.dueAt - now);
        continue;
      }
      await this.#part(store, state, signal);
      return { kind: 'busy' };
    }
    this.#status = 'waits until blobs are due to be read again';
    return { kind: 'idle', retryInMs: nextMs };
  }

  async #part(store: FolderStore, state: State, signal: AbortSignal): Promise<void> {
    this.#status = `reads all blobs of "${store.path}" again, ${Math.floor((state.nextPart * 100) / PARTS)} % done`;
    const prefix = state.nextPart.toString(16).padStart(2, '0');
    const pace = this.#pacer(signal);
    const ids = [...(await store.ids(prefix))].sort();
    for (const id of ids) {
      signal.throwIfAborted();
      if ((await store.verify(id, pace)) === 'corrupt') this.#damaged++;
    }
    state.nextPart++;
    const ended = state.nextPart === PARTS;
    if (ended) {
      state.nextPart = 0;
      state.dueAt = this.#nextDue();
    }
    if (store.readOnly || (!ended && ids.length === 0)) return;
    await writeFileAtomic(stateFile(store), JSON.stringify(state));
  }

  #pacer(signal: AbortSignal): (bytes: number) => Promise<void> {
    const { clock, bytesPerSecond = BYTES_PER_SECOND } = this.#options;
    let owedMs = 0;
    return async (bytes) => {
      owedMs += (bytes * 1000) / bytesPerSecond;
      if (owedMs < PAUSE_MS_MIN) return;
      await clock.sleep(owedMs, signal);
      owedMs = 0;
    };
  }

  #nextDue(): number {
    const { clock, everyMs = EVERY_MS } = this.#options;
    return Math.round(clock.now() + everyMs * (1 - SPREAD + 2 * SPREAD * randomShare()));
  }

  async #stateOf(store: FolderStore): Promise<State> {
    const known = this.#states.get(store);
    if (known !== undefined) return known;
    const text = await readTextIfAny(stateFile(store));
    const state: State =
      text === undefined ? { nextPart: 0, dueAt: this.#nextDue() } : { ...decode(text) };
    this.#states.set(store, state);
    if (text === undefined && !store.readOnly) {
      await writeFileAtomic(stateFile(store), JSON.stringify(state));
    }
    return state;
  }
}

/** A damaged note costs one more round, at once. */
function decode(text: string): State {
  try {
    return STATE.decode(JSON.parse(text), '');
  } catch {
    return { nextPart: 0, dueAt: 0 };
  }
}

function stateFile(store: FolderStore): string {
  return join(store.path, STATE_FILE);
}
