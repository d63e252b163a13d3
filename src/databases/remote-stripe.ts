/**
 * A stripe that another node leads, as `StripeClient`: each call goes to that node's database process. A connection that is lost is
 * told in the words of that interface, for whoever uses a stripe decides by them what may be repeated.
 */
import { isMolnError } from '../base/errors.ts';
import {
  type Expectation,
  notCommitted,
  type Outcome,
  outcomeUnknown,
  type ReadLevel,
  type Settled,
  type Share,
  type Statement,
  type StatementResult,
  type Step,
  type StripeClient,
  type StripeTransaction,
  type StripeView,
  type TransactionResult,
  viewEnded,
} from '../database/database.ts';
import type { PeerLinks } from './peer-link.ts';

export interface RemoteStripeOptions {
  readonly links: Pick<PeerLinks, 'call'>;
  readonly node: string;
  /** Id of the database. */
  readonly database: string;
  readonly name: string;
}

export class RemoteStripe implements StripeClient {
  readonly name: string;
  readonly #options: RemoteStripeOptions;

  constructor(options: RemoteStripeOptions) {
    this.#options = options;
    this.name = options.name;
  }

  async execute(
    statements: readonly Statement[],
    expect?: Expectation,
  ): Promise<TransactionResult> {
    const asked = this.#call('execute', statements, expect);
    return (await orWhenLost(asked, (why) => outcomeUnknown(this.name, why))) as TransactionResult;
  }

  async begin(): Promise<StripeTransaction> {
    const asked = this.#call('begin');
    const { id, schemaVersion } = (await orWhenLost(asked, (why) =>
      notCommitted(this.name, why),
    )) as { readonly id: string; readonly schemaVersion: number };
    return new RemoteTransaction(this.#options, id, schemaVersion);
  }

  async query(
    statement: Statement,
    level: ReadLevel,
    expect?: Expectation,
  ): Promise<StatementResult> {
    return (await this.#call('query', statement, level, expect)) as StatementResult;
  }

  async view(): Promise<StripeView> {
    const { links, node } = this.#options;
    const { id, ...facts } = (await this.#call('view')) as { readonly id: string } & Pick<
      StripeView,
      'index' | 'schemaVersion' | 'epoch' | 'head'
    >;
    return {
      ...facts,
      query: async (statement) =>
        (await orWhenLost(
          links.call(node, 'viewQuery', id, statement),
          viewEnded,
        )) as StatementResult,
      [Symbol.asyncDispose]: async () => {
        await links.call(node, 'viewEnd', id).catch(unlessOver);
      },
    };
  }

  #call(call: string, ...args: readonly unknown[]): Promise<unknown> {
    const { links, node, database, name } = this.#options;
    return links.call(node, call, database, name, ...args);
  }
}

/** `told` takes why the connection was lost before the answer came. */
async function orWhenLost(asked: Promise<unknown>, told: (why: string) => Error): Promise<unknown> {
  try {
    return await asked;
  } catch (error) {
    throw isMolnError(error, 'DATABASES_PEER_LOST') ? told(error.message) : error;
  }
}

/** Views and transactions end with the connection, and with the process. */
function unlessOver(error: unknown): void {
  const isOver =
    isMolnError(error, 'DATABASES_PEER_LOST') || isMolnError(error, 'DATABASES_PEER_AWAY');
  if (!isOver) throw error;
}

class RemoteTransaction implements StripeTransaction {
  readonly schemaVersion: number;
  readonly #options: RemoteStripeOptions;
  readonly #id: string;

  constructor(options: RemoteStripeOptions, id: string, schemaVersion: number) {
    this.#options = options;
    this.#id = id;
    this.schemaVersion = schemaVersion;
  }

  async run(statement: Statement): Promise<StatementResult> {
    const [result] = await this.runAll([statement]);
    if (result === undefined) throw new Error('A statement has no result');
    return result;
  }

  async runAll(steps: readonly Step[]): Promise<readonly StatementResult[]> {
    return (await this.#beforeCommit('runAll', steps)) as readonly StatementResult[];
  }

  async commit(): Promise<number> {
    return (await this.#ending('commit')) as number;
  }

  async rollBack(): Promise<void> {
    await this.#call('rollBack').catch(unlessOver);
  }

  async prepare(): Promise<Share> {
    return (await this.#beforeCommit('prepare')) as Share;
  }

  async settle(outcome: Outcome): Promise<Settled> {
    return (await this.#ending('settle', outcome)) as Settled;
  }

  /** The other side rolls back what is open when the connection ends. */
  async #beforeCommit(call: string, ...args: readonly unknown[]): Promise<unknown> {
    return await orWhenLost(this.#call(call, ...args), (why) =>
      notCommitted(this.#options.name, why),
    );
  }

  async #ending(call: string, ...args: readonly unknown[]): Promise<unknown> {
    return await orWhenLost(this.#call(call, ...args), (why) =>
      outcomeUnknown(this.#options.name, why),
    );
  }

  #call(call: string, ...args: readonly unknown[]): Promise<unknown> {
    const { links, node } = this.#options;
    return links.call(node, call, this.#id, ...args);
  }
}
