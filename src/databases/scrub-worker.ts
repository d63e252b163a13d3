/** Has the copies of all databases compared: one stripe at a time, so that clients of a node notice little of it. */
import { addAbortListener } from 'node:events';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import { SCRUB_LOOK_MS } from './limits.ts';

/** As `OpenDatabase` has it. */
export interface Scrubbed {
  readonly name: string;
  readonly scrub: {
    /** Of the next stripe that is led here and due. False when there is none. */
    tend(): Promise<boolean>;
  };
}

export class ScrubWorker implements Worker {
  readonly name = 'scrub';
  readonly #databases: () => readonly Scrubbed[];
  readonly #log: Logger;

  constructor(databases: () => readonly Scrubbed[], log: Logger) {
    this.#databases = databases;
    this.#log = log;
  }

  status(): string {
    return 'Copies of stripes are compared once a day';
  }

  async step(signal: AbortSignal): Promise<StepResult> {
    const ended = Promise.withResolvers<undefined>();
    using _ = addAbortListener(signal, () => ended.resolve(undefined));
    for (const { name, scrub } of this.#databases()) {
      try {
        // Reading a large file takes minutes, for which the end of the process does not wait.
        const isDone = await Promise.race([scrub.tend(), ended.promise]);
        if (isDone === true) return { kind: 'busy' };
      } catch (error) {
        this.#log.warn('Copies of a database could not be compared', {
          database: name,
          why: messageOf(error),
        });
      }
      if (signal.aborted) break;
    }
    return { kind: 'idle', retryInMs: SCRUB_LOOK_MS };
  }
}
