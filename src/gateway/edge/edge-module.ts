/**
 * One edge module in its thread, as the gateway process sees it: asks it about requests, with a limit on time and on how many
 * wait. A module that stands still or dies is begun anew; the gateway goes on meanwhile.
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
  readonly settle: (outcome: EdgeOutcome) => void;
  readonly timer: Disposable;
}

export class EdgeModule implements Disposable {
  readonly #options: EdgeModuleOptions;
  readonly #waiting = new Map<number, Waiting>();
  #thread: Worker | undefined;
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
    const { config, clock } = this.#options;
    const { promise, resolve } = Promise.withResolvers<EdgeOutcome>();
    const timer = clock.after(config.timeoutMs, () => this.#late(id));
    this.#waiting.set(id, { settle: resolve, timer });
    const { body } = request;
    this.#post({ ...request, id }, body === undefined ? [] : [body.buffer]);
    return promise;
  }

  #post(message: ToThread, transferred: readonly ArrayBuffer[]): void {
    this.#thread ??= this.#start();
    this.#thread.postMessage(message, transferred);
  }

  #start(): Worker {
    const { config, log } = this.#options;
    const data: EdgeThreadData = { source: config.source, answerBytesMax: EDGE.answerBytesMax };
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
    else if ('broken' in message) this.#ended(thread, message.broken);
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

  /** The request is given up. If the thread does nothing at all any more, so is the thread. */
  #late(id: number): void {
    this.#settle(id, { kind: 'late' });
    this.#complain(`It took longer than ${this.#options.config.timeoutMs} ms`);
    if (this.#ping !== undefined || this.#thread === undefined) return;
    const thread = this.#thread;
    this.#post(id, []);
    this.#ping = this.#options.clock.after(EDGE.pingMs, () => {
      this.#ping = undefined;
      if (this.#pong < id) this.#ended(thread, 'It stood still');
    });
  }

  /** Everybody who waits is told; the next request begins a new thread. */
  #ended(thread: Worker, reason: string): void {
    if (thread !== this.#thread) return;
    this.#thread = undefined;
    this.#ping?.[Symbol.dispose]();
    this.#ping = undefined;
    void thread.terminate();
    if (!this.#isRetired) this.#complain(reason);
    for (const id of this.#waiting.keys()) this.#settle(id, { kind: 'failed', reason });
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
    if (this.#thread !== undefined) this.#ended(this.#thread, 'The route has changed');
  }
}
