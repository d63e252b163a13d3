/** A stripe that another node leads, as `StripeClient`: each call goes to that node's database process. */
import { isMolnError, MolnError } from '../base/errors.ts';
import type {
  Expectation,
  Outcome,
  ReadLevel,
  Settled,
  Share,
  Statement,
  StatementResult,
  Step,
  StripeClient,
  StripeTransaction,
  StripeView,
  TransactionResult,
} from '../database/database.ts';
import type { PeerLinks } from './peer-link.ts';

export interface RemoteStripeOptions {
  readonly links: PeerLinks;
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
    try {
      return (await this.#call('execute', statements, expect)) as TransactionResult;
    } catch (error) {
      throw isMolnError(error, 'DATABASES_PEER_LOST') ? unknownOutcome(this.name, error) : error;
    }
  }

  async begin(): Promise<StripeTransaction> {
    const { id, schemaVersion } = (await this.#call('begin')) as {
      readonly id: string;
      readonly schemaVersion: number;
    };
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
        (await links.call(node, 'viewQuery', id, statement)) as StatementResult,
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
    return (await this.#call('runAll', steps)) as readonly StatementResult[];
  }

  async commit(): Promise<number> {
    return (await this.#ending('commit')) as number;
  }

  async rollBack(): Promise<void> {
    await this.#call('rollBack').catch(unlessOver);
  }

  async prepare(): Promise<Share> {
    return (await this.#call('prepare')) as Share;
  }

  async settle(outcome: Outcome): Promise<Settled> {
    return (await this.#ending('settle', outcome)) as Settled;
  }

  async #ending(call: string, ...args: readonly unknown[]): Promise<unknown> {
    try {
      return await this.#call(call, ...args);
    } catch (error) {
      if (!isMolnError(error, 'DATABASES_PEER_LOST')) throw error;
      throw unknownOutcome(this.#options.name, error);
    }
  }

  #call(call: string, ...args: readonly unknown[]): Promise<unknown> {
    const { links, node } = this.#options;
    return links.call(node, call, this.#id, ...args);
  }
}

function unknownOutcome(stripe: string, cause: Error): MolnError {
  return new MolnError(
    'DATABASES_OUTCOME_UNKNOWN',
    `It is unknown whether a transaction on stripe "${stripe}" was committed: ${cause.message}`,
    { hint: 'Read again what it was to change before you repeat it', cause },
  );
}
