/** The agent's end of one worker's control socket: questions and their answers. */
import { connect } from 'node:net';
import { MolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type { AnswerTo, GatewayQuestion } from './gateway-question.ts';
import type { GatewayCommand, GatewayConfig, GatewayReply, GatewayStats } from './config.ts';
import type { ConfigChange } from './config-change.ts';
import { MessageChannel } from './control-protocol.ts';
import { GATEWAY_WORKER_FAILED } from './errors.ts';

/** What a worker says of itself when one connects. A later release may say another protocol. */
export interface WorkerHello {
  readonly pid: number;
  readonly protocol: number;
  /** Of the config in use; 0 is none. */
  readonly version: number;
}

/** What a worker says to a config. */
export type ConfigVerdict =
  | { readonly kind: 'applied' }
  | { readonly kind: 'refused'; readonly error: MolnError };

type QuestionReply = GatewayReply & { readonly kind: 'answer' | 'failed' };

/** A worker says hello at once; a machine under full load may take this long to let it. */
const HELLO_TIMEOUT_MS = 10_000;

export class WorkerLink {
  readonly #clock: Clock;
  readonly #channel: MessageChannel<GatewayReply, GatewayCommand>;
  readonly #hello = Promise.withResolvers<WorkerHello>();
  readonly #closed = Promise.withResolvers<void>();
  readonly #configs = new Map<number, (verdict: ConfigVerdict) => void>();
  readonly #failures = new Set<(error: Error) => void>();
  /** Answers of one kind come in the order of the questions. */
  readonly #stats: ((stats: GatewayStats) => void)[] = [];
  readonly #pings: (() => void)[] = [];
  readonly #questions = new Map<number, (reply: QuestionReply) => void>();
  #lastQuestion = 0;
  #open = true;

  private constructor(path: string, clock: Clock) {
    this.#clock = clock;
    this.#channel = new MessageChannel(connect(path), {
      onMessage: (reply) => this.#take(reply),
      onClose: (error) => this.#end(error),
    });
    this.#failures.add(this.#hello.reject);
  }

  /** Resolves after the worker's hello; rejects when it is not there or says nothing for 10 s. */
  static async connect(
    path: string,
    clock: Clock,
  ): Promise<{ readonly link: WorkerLink; readonly hello: WorkerHello }> {
    const link = new WorkerLink(path, clock);
    using _timeout = clock.after(HELLO_TIMEOUT_MS, () => link.#channel.destroy());
    const hello = await link.#hello.promise;
    link.#failures.delete(link.#hello.reject);
    return { link, hello };
  }

  /** Resolves when the connection has ended. */
  closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Rejects when the connection ends before the answer. */
  configure(config: GatewayConfig, takeFrom: readonly string[] = []): Promise<ConfigVerdict> {
    const more = takeFrom.length === 0 ? {} : { takeFrom };
    return this.#bring(config.version, { kind: 'config', config, ...more });
  }

  /** The same with what is different from the config in use there; refused with GATEWAY_CONFIG_BEHIND if that is another one. */
  change(change: ConfigChange): Promise<ConfigVerdict> {
    return this.#bring(change.version, { kind: 'change', change });
  }

  #bring(version: number, command: GatewayCommand): Promise<ConfigVerdict> {
    return this.#ask((resolve) => {
      this.#configs.set(version, resolve);
      this.#channel.send(command);
    });
  }

  /** Rejects when the connection ends before the answer, or after `timeoutMs`. */
  async stats(timeoutMs: number): Promise<GatewayStats> {
    const answer = this.#ask<GatewayStats>((resolve) => {
      this.#stats.push(resolve);
      this.#channel.send({ kind: 'stats' });
    });
    return await this.#within(timeoutMs, answer);
  }

  /** Like `stats`, but costs the worker nothing. */
  async ping(timeoutMs: number): Promise<void> {
    const answer = this.#ask<void>((resolve) => {
      this.#pings.push(resolve);
      this.#channel.send({ kind: 'ping' });
    });
    await this.#within(timeoutMs, answer);
  }

  /** Rejects with what the worker says is wrong, when the connection ends before the answer, or after `timeoutMs`. */
  async question<Question extends GatewayQuestion>(
    question: Question,
    timeoutMs: number,
  ): Promise<AnswerTo<Question>> {
    const id = ++this.#lastQuestion;
    const answer = this.#ask<QuestionReply>((resolve) => {
      this.#questions.set(id, resolve);
      this.#channel.send({ kind: 'ask', id, question });
    });
    try {
      const reply = await this.#within(timeoutMs, answer);
      if (reply.kind === 'failed') throw new MolnError(reply.code, reply.message);
      return reply.answer as AnswerTo<Question>;
    } finally {
      this.#questions.delete(id);
    }
  }

  tellLoads(loads: Readonly<Record<string, number>>): void {
    this.#channel.send({ kind: 'loads', loads });
  }

  drain(deadlineMs: number): void {
    this.#channel.send({ kind: 'drain', deadlineMs });
  }

  /** At once: a worker that hangs must not hold up the agent. */
  close(): void {
    this.#channel.destroy();
  }

  async #within<T>(timeoutMs: number, answer: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    using _timeout = this.#clock.after(timeoutMs, () =>
      late.reject(
        new MolnError(GATEWAY_WORKER_FAILED, `Gateway worker did not answer in ${timeoutMs} ms`, {
          retryable: true,
        }),
      ),
    );
    return await Promise.race([answer, late.promise]);
  }

  #ask<T>(send: (resolve: (value: T) => void) => void): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (!this.#open) {
      reject(lost(undefined));
      return promise;
    }
    this.#failures.add(reject);
    send((value) => {
      this.#failures.delete(reject);
      resolve(value);
    });
    return promise;
  }

  #take(reply: GatewayReply): void {
    switch (reply.kind) {
      case 'hello':
        this.#hello.resolve(reply);
        return;
      case 'applied':
        this.#settle(reply.version, { kind: 'applied' });
        return;
      case 'refused':
        this.#settle(reply.version, {
          kind: 'refused',
          error: new MolnError(reply.code, reply.message),
        });
        return;
      case 'stats':
        this.#stats.shift()?.(reply.stats);
        return;
      case 'answer':
      case 'failed':
        this.#questions.get(reply.id)?.(reply);
        return;
      case 'pong':
        this.#pings.shift()?.();
        return;
      default:
      // A later release may say more than we know.
    }
  }

  #settle(version: number, verdict: ConfigVerdict): void {
    this.#configs.get(version)?.(verdict);
    this.#configs.delete(version);
  }

  #end(error: Error | undefined): void {
    this.#open = false;
    const failure = lost(error);
    for (const reject of this.#failures) reject(failure);
    this.#failures.clear();
    this.#closed.resolve();
  }
}

function lost(cause: Error | undefined): MolnError {
  return new MolnError(GATEWAY_WORKER_FAILED, 'Gateway worker closed its control connection', {
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}
