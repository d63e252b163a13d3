/** Requests at a steady rate, whether or not the ones before are answered; each is kept with its times. */
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../src/base/errors.ts';
import type { Answer } from './http.ts';

const TICK_MS = 10;
/** More than this under way, and the rate is not kept up: the machine is too slow, or nothing answers. */
const UNDER_WAY_MAX = 2000;

export interface Asked {
  readonly startedMs: number;
  readonly endedMs: number;
  /** The body of a good answer. */
  readonly body: string | undefined;
  /** The status with the first bytes of the body, or the connection's error; undefined when all is well. */
  readonly failure: string | undefined;
}

export class PacedLoad implements AsyncDisposable {
  readonly #asks: (count: number) => Promise<Answer>;
  readonly #perSecond: number;
  readonly #under = new Set<Promise<void>>();
  readonly #done: Asked[] = [];
  readonly #loop: Promise<void>;
  #count = 0;
  #isStopped = false;

  /** `asks` gets the number of the request, for example to take turns among gateways. */
  constructor(perSecond: number, asks: (count: number) => Promise<Answer>) {
    this.#perSecond = perSecond;
    this.#asks = asks;
    this.#loop = this.#run();
  }

  get answered(): number {
    return this.#done.length;
  }

  get underWay(): number {
    return this.#under.size;
  }

  get failures(): readonly Asked[] {
    return this.#done.filter(({ failure }) => failure !== undefined);
  }

  /** Ends asking and waits for the answers. */
  async stop(): Promise<readonly Asked[]> {
    this.#isStopped = true;
    await this.#loop;
    await Promise.all(this.#under);
    return this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    const begunMs = performance.now();
    while (!this.#isStopped) {
      const due = ((performance.now() - begunMs) / 1000) * this.#perSecond;
      // A turn that came late makes up for it, within bounds.
      const now = Math.min(due - this.#count, this.#perSecond);
      for (let sent = 0; sent < now && this.#under.size < UNDER_WAY_MAX; sent++) this.#send();
      this.#count = Math.max(this.#count, Math.floor(due));
      await pause(TICK_MS);
    }
  }

  #send(): void {
    const one = this.#ask(this.#count++).finally(() => this.#under.delete(one));
    this.#under.add(one);
  }

  async #ask(count: number): Promise<void> {
    const startedMs = performance.now();
    const keep = (body: string | undefined, failure: string | undefined): void => {
      this.#done.push({ startedMs, endedMs: performance.now(), body, failure });
    };
    try {
      const { status, body } = await this.#asks(count);
      if (status < 400) keep(body, undefined);
      else keep(undefined, `${status} ${body.slice(0, 200)}`);
    } catch (error) {
      keep(undefined, messageOf(error));
    }
  }
}

/** For assertions: what failed, when after `sinceMs`, shortest words first. */
export function failuresOf(asked: readonly Asked[], sinceMs = 0): readonly string[] {
  return asked
    .filter(({ failure }) => failure !== undefined)
    .map(
      ({ startedMs, endedMs, failure }) =>
        `${Math.round(startedMs - sinceMs)}..${Math.round(endedMs - sinceMs)} ms: ${failure}`,
    );
}
