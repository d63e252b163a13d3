/** The main thread's end of a stripe's thread: calls that resolve, in the order in which they were made. */
import { Worker } from 'node:worker_threads';
import { errorOf } from './errors.ts';
import type { CallName, Calls, Reply, Request, ThreadData } from './thread-calls.ts';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class StripeThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #ended: Error | undefined;
  #outbox: Request[] = [];

  constructor(data: ThreadData) {
    this.#worker = new Worker(new URL('stripe-main.ts', import.meta.url), {
      workerData: data,
      name: 'stripe',
    });
    this.#worker.on('message', (replies: readonly Reply[]) => {
      for (const reply of replies) this.#answer(reply);
    });
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(new Error('The thread of a stripe has ended')));
  }

  call<Name extends CallName>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ): Promise<ReturnType<Calls[Name]>> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = this.#next++;
    const request: Request = { id, name, args };
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    this.#outbox.push(request);
    if (this.#outbox.length === 1) void this.#send();
    return promise as Promise<ReturnType<Calls[Name]>>;
  }

  /** Closes the file and ends the thread; one that hangs in a statement ends with it. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    const gone = new Promise((resolve) => this.#worker.once('exit', resolve));
    await this.call('close');
    await gone;
  }

  /** Waking the thread costs more than most requests: those of one turn go as one message. */
  async #send(): Promise<void> {
    await Promise.resolve();
    const requests = this.#outbox;
    this.#outbox = [];
    this.#worker.postMessage(requests);
  }

  #answer(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('failure' in reply) waiting?.reject(errorOf(reply.failure));
    else waiting?.resolve(reply.value);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
