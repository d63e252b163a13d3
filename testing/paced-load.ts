/** Requests at a steady rate, whether or not the ones before are answered; each is kept with its times. */
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../src/base/errors.ts';
import type { Answer } from './http.ts';

const TICK_MS = 10;
/** More than this under way, and the rate is not kept up: the machine is too slow, or nothing answers. */
const UNDER_WAY_MAX = 2000;

/** The same of a load that is patient, and how many turns' worth of requests it sends in one at most. */
const PATIENT_UNDER_WAY_MAX = 300;
const PATIENT_TURNS = 2;

export interface PacedLoadOptions {
  /**
   * Turns that come late are not made up for, and few requests are under way: a machine that is busy with other things gets
   * less load, where otherwise the load would be all that it still does.
   */
  readonly isPatient?: boolean;
  /** Called when all is answered. */
  readonly end?: () => void;
}

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
  readonly #options: PacedLoadOptions;
  readonly #under = new Set<Promise<void>>();
  readonly #done: Asked[] = [];
  readonly #loop: Promise<void>;
  #count = 0;
  #isStopped = false;

  /** `asks` gets the number of the request, for example to take turns among gateways. */
  constructor(
    perSecond: number,
    asks: (count: number) => Promise<Answer>,
    options: PacedLoadOptions = {},
  ) {
    this.#perSecond = perSecond;
    this.#asks = asks;
    this.#options = options;
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
    this.#options.end?.();
    return this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    const { isPatient = false } = this.#options;
    const turnMsMax = isPatient ? TICK_MS * PATIENT_TURNS : Infinity;
    const underWayMax = isPatient ? PATIENT_UNDER_WAY_MAX : UNDER_WAY_MAX;
    let passedMs = 0;
    for (let lastMs = performance.now(); !this.#isStopped;) {
      const nowMs = performance.now();
      passedMs += Math.min(nowMs - lastMs, turnMsMax);
      lastMs = nowMs;
      const due = (passedMs / 1000) * this.#perSecond;
      // A turn that came late makes up for it, within bounds.
      const now = Math.min(due - this.#count, this.#perSecond);
      for (let sent = 0; sent < now && this.#under.size < underWayMax; sent++) this.#send();
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
