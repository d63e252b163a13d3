/**
 * One edge module in its thread, as the gateway process sees it: asks it about requests, with a limit on time and on how many
 * wait. A module that stands still or dies is begun anew; the gateway goes on meanwhile, and what that thread had not begun is asked
 * of the next one.
 */
import { Worker } from 'node:worker_threads';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Clock } from '../../base/time.ts';
import { EDGE } from '../limits.ts';
import type { EdgeConfig } from '../site-config.ts';
import type { EdgeAsk, EdgeVerdict, FromThread, ToThread } from './edge-message.ts';
import type { EdgeThreadData } from './edge-thread.ts';

/** `late`: it took too long; `full`: too many wait. */
export type EdgeOutcome = EdgeVerdict | { readonly kind: 'late' | 'full' };

export interface EdgeModuleOptions {
  readonly config: EdgeConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Waiting {
  readonly ask: EdgeAsk;
  readonly settle: (outcome: EdgeOutcome) => void;
  timer: Disposable;
  /** Another request has kept the thread from it: it got its time once more, and no further time. */
  isDelayed: boolean;
}

export class EdgeModule implements Disposable {
  readonly #options: EdgeModuleOptions;
  readonly #waiting = new Map<number, Waiting>();
  #thread: Worker | undefined;
  /** The last request that the thread has begun; it says so even when it stands still. */
  #begun: Float64Array = new Float64Array(1);
  #isRetired = false;
  #lastId = 0;
  /** The last message that the thread has answered by being there; and one that it has to. */
  #pong = 0;
  #ping: Disposable | undefined;
  #saidAtMs = -Infinity;

  constructor(options: EdgeModuleOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Never rejects. */
  ask(request: Omit<EdgeAsk, 'id'>): Promise<EdgeOutcome> {
    if (this.#waiting.size >= EDGE.waitingMax) return Promise.resolve({ kind: 'full' });
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<EdgeOutcome>();
    const ask = { ...request, id };
    const timer = this.#timer(id, this.#options.config.timeoutMs);
    this.#waiting.set(id, { ask, settle: resolve, timer, isDelayed: false });
    this.#post(ask);
    return promise;
  }

  #timer(id: number, afterMs: number): Disposable {
    return this.#options.clock.after(afterMs, () => this.#late(id));
  }

  #post(message: ToThread): void {
    this.#thread ??= this.#start();
    this.#thread.postMessage(message);
  }

  #start(): Worker {
    const { config, log } = this.#options;
    const { source } = config;
    this.#begun = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT));
    const data: EdgeThreadData = {
      source,
      answerBytesMax: EDGE.answerBytesMax,
      begun: this.#begun,
    };
    const thread = new Worker(new URL('edge-thread.ts', import.meta.url), {
      name: 'edge',
      workerData: data,
      env: {},
      argv: [],
      execArgv: [],
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: EDGE.memoryMiB, maxYoungGenerationSizeMb: 4 },
    });
    for (const stream of [thread.stdout, thread.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => log.info('Edge module', { says: text.slice(0, 1000) }));
    }
    thread.on('message', (message: FromThread) => this.#take(thread, message));
    thread.on('error', (error) => this.#ended(thread, messageOf(error)));
    thread.on('exit', () => this.#ended(thread, 'It ended'));
    // It keeps no process alive.
    thread.unref();
    return thread;
  }

  #take(thread: Worker, message: FromThread): void {
    if (thread !== this.#thread) return;
    if ('pong' in message) this.#pong = message.pong;
    else if ('broken' in message) this.#ended(thread, message.broken, true);
    else this.#settle(message.id, message.verdict);
  }

  #settle(id: number, outcome: EdgeOutcome): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    waiting.timer[Symbol.dispose]();
    if (outcome.kind === 'failed') this.#complain(outcome.reason);
    waiting.settle(outcome);
    if (this.#isRetired && this.#waiting.size === 0) this[Symbol.dispose]();
  }

  /** The request is given up, unless another one keeps the thread from it. If the thread does nothing at all any more, so is the thread. */
  #late(id: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    if (waiting.isDelayed || this.#hasBegun(id)) this.#settle(id, { kind: 'late' });
    else this.#delay(waiting);
    this.#complain(`It took longer than ${this.#options.config.timeoutMs} ms`);
    if (this.#ping !== undefined || this.#thread === undefined) return;
    const thread = this.#thread;
    this.#post(id);
    this.#ping = this.#options.clock.after(EDGE.pingMs, () => {
      this.#ping = undefined;
      if (this.#pong < id) this.#ended(thread, 'It stood still');
    });
  }

  #hasBegun(id: number): boolean {
    return id <= (this.#begun[0] ?? 0);
  }

  #delay(waiting: Waiting): void {
    if (waiting.isDelayed) return;
    waiting.isDelayed = true;
    waiting.timer[Symbol.dispose]();
    // It has all of it at the next thread: so long may pass before there is one.
    waiting.timer = this.#timer(waiting.ask.id, this.#options.config.timeoutMs + EDGE.pingMs);
  }

  /** Whoever was begun may be at fault, and is told; the others are asked of the next thread. `isForGood`: there is none. */
  #ended(thread: Worker, reason: string, isForGood = false): void {
    if (thread !== this.#thread) return;
    this.#thread = undefined;
    this.#ping?.[Symbol.dispose]();
    this.#ping = undefined;
    void thread.terminate();
    if (!this.#isRetired) this.#complain(reason);
    const again: Waiting[] = [];
    for (const [id, waiting] of this.#waiting) {
      if (isForGood || this.#hasBegun(id)) this.#settle(id, { kind: 'failed', reason });
      else again.push(waiting);
    }
    for (const waiting of again) {
      this.#delay(waiting);
      this.#post(waiting.ask);
    }
  }

  /** Not with every request. */
  #complain(reason: string): void {
    const { clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#saidAtMs < EDGE.complainEveryMs) return;
    this.#saidAtMs = nowMs;
    log.warn('An edge module failed', { reason });
  }

  /** No more requests come: it ends with the last one. */
  retire(): void {
    this.#isRetired = true;
    if (this.#waiting.size === 0) this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#isRetired = true;
    if (this.#thread !== undefined) this.#ended(this.#thread, 'The route has changed', true);
  }
}
