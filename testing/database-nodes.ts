/** Nodes of a database, each a process of its own, on one etcd: asked from a test, killed, stopped and started again. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { isMolnError, MolnError, type ErrorBody } from '../src/base/errors.ts';
import type {
  ReadLevel,
  Statement,
  StatementResult,
  StripeStatus,
  TransactionResult,
} from '../src/database/database.ts';
import { until } from './until.ts';

export type Ask =
  | { readonly kind: 'execute'; readonly statements: readonly Statement[] }
  | { readonly kind: 'query'; readonly statement: Statement; readonly level: ReadLevel }
  | { readonly kind: 'lead'; readonly replaces: number }
  /** `led` answers the question of `move` who is to lead. */
  | { readonly kind: 'status' | 'digest' | 'release' | 'move' | 'led' };

export interface NodeRequest {
  readonly id: number;
  readonly ask: Ask;
}

export type NodeReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: ErrorBody };

/** Instead of an id: the epoch that a new primary replaces. */
export const SUCCESSION = -2;

/** The answer did not come, because the process was killed or is stopped. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

export function failureOfError(error: unknown): ErrorBody {
  if (isMolnError(error)) return error.toJSON();
  return {
    code: 'BUG',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    retryable: false,
  };
}

export interface NodesOptions {
  readonly folder: string;
  readonly prefix: string;
  readonly endpoints: readonly string[];
}

export class DatabaseNode {
  readonly name: string;
  readonly #options: NodesOptions;
  /** Called when this node hands its stripe over: resolves when another one leads. */
  succession: (replaces: number) => Promise<unknown> = () => Promise.resolve();
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #child: ChildProcess | undefined;
  #next = 0;

  constructor(name: string, options: NodesOptions) {
    this.name = name;
    this.#options = options;
  }

  /** `crashAt`: a place at which it kills itself. */
  async start(crashAt = ''): Promise<void> {
    const { folder, prefix, endpoints } = this.#options;
    const script = join(import.meta.dirname, '..', 'tests', 'database-node.ts');
    const child = fork(script, [folder, this.name, prefix, endpoints.join(','), crashAt], {
      serialization: 'advanced',
    });
    this.#child = child;
    const ready = Promise.withResolvers<unknown>();
    this.#waiting.set(-1, ready);
    child.on('message', (reply: NodeReply) => {
      if (reply.id === SUCCESSION && 'value' in reply) {
        // Either of the two may have been killed.
        void Promise.allSettled([this.succession(reply.value as number)]).then(() =>
          this.ask({ kind: 'led' }).catch(() => undefined),
        );
        return;
      }
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ('error' in reply) waiting?.reject(MolnError.from(reply.error));
      else waiting?.resolve(reply.value);
    });
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined;
      for (const { reject } of this.#waiting.values())
        reject(new NoAnswer(`${this.name} has ended`));
      this.#waiting.clear();
    });
    await ready.promise;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    this.signal('SIGCONT');
    this.signal('SIGKILL');
    await until(`${this.name} has ended`, () => !this.isRunning);
  }

  /** `patienceMs` over: `NoAnswer`, and it may still be done. */
  async ask(ask: Ask, patienceMs = 20_000): Promise<unknown> {
    const child = this.#child;
    if (child === undefined) throw new NoAnswer(`${this.name} is not running`);
    const id = this.#next++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    child.send({ id, ask } satisfies NodeRequest, (error) => {
      // It ends just now.
      if (error !== null) waiting.reject(new NoAnswer(`${this.name} has ended`));
    });
    const timer = setTimeout(
      () => waiting.reject(new NoAnswer(`${this.name} does not answer`)),
      patienceMs,
    );
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  async execute(
    statements: readonly Statement[],
    patienceMs?: number,
  ): Promise<readonly StatementResult[]> {
    const done = (await this.ask({ kind: 'execute', statements }, patienceMs)) as TransactionResult;
    return done.results;
  }

  async query(
    sql: string,
    level: ReadLevel,
    patienceMs?: number,
  ): Promise<StatementResult['rows']> {
    return (
      (await this.ask({ kind: 'query', statement: { sql }, level }, patienceMs)) as StatementResult
    ).rows;
  }

  async status(): Promise<StripeStatus> {
    return (await this.ask({ kind: 'status' })) as StripeStatus;
  }
}
