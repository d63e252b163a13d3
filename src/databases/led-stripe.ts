/**
 * A stripe wherever it is led: by the copy here, or by another node. When its primary is away or has changed, what has not begun is
 * tried again with the next one for a while, so that clients see a pause and no error.
 */
import { isMolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type {
  CommitLog,
  Expectation,
  ReadLevel,
  Statement,
  StatementResult,
  Stripe,
  StripeClient,
  StripeTransaction,
  StripeView,
  TransactionResult,
} from '../database/database.ts';
import { notReady } from './errors.ts';
import { HERE_REST_MS, HERE_WAIT_MS, TAKEOVER_LOOK_MS, TAKEOVER_MS } from './limits.ts';
import type { PeerLinks } from './peer-link.ts';
import { RemoteStripe } from './remote-stripe.ts';

export interface LedStripeOptions {
  readonly name: string;
  /** Id of the database, and its name for people. */
  readonly database: string;
  readonly databaseName: string;
  readonly log: CommitLog;
  readonly links: Pick<PeerLinks, 'call'>;
  /** This node's copy, if it has one that can be read now. */
  readonly own: () => Stripe | undefined;
  readonly node: string;
  readonly clock: Clock;
}

/** At once when it is here. */
type Picked = StripeClient | Promise<StripeClient | undefined>;

/** Nothing was done, and another copy may do it. */
const AGAIN: ReadonlySet<string> = new Set([
  'DATABASE_NOT_PRIMARY',
  'DATABASE_CLOSED',
  'DATABASES_PEER_AWAY',
  'DATABASES_NOT_FOUND',
  'DATABASES_NOT_READY',
]);

export class LedStripe implements StripeClient {
  readonly name: string;
  readonly #options: LedStripeOptions;
  /** The node that led it when it was last asked. */
  #leader: string | undefined;
  /** Before that the copy here is not read: it was behind. */
  #hereAgainMs = -Infinity;

  constructor(options: LedStripeOptions) {
    this.#options = options;
    this.name = options.name;
  }

  get lentEnd(): number | undefined {
    return this.#options.own()?.lentEnd;
  }

  get schemaHere(): number | undefined {
    return this.#options.own()?.status.applied.schemaVersion;
  }

  execute(statements: readonly Statement[], expect?: Expectation): Promise<TransactionResult> {
    return this.#led((stripe) => stripe.execute(statements, expect));
  }

  begin(): Promise<StripeTransaction> {
    return this.#led((stripe) => stripe.begin());
  }

  view(first?: Statement): Promise<StripeView> {
    return this.#led((stripe) => stripe.view(first), true);
  }

  /** By the copy here, if there is one: the level says how new it must be. One that does not get there soon is not asked for a while. */
  async query(
    statement: Statement,
    level: ReadLevel,
    expect?: Expectation,
  ): Promise<StatementResult> {
    const { clock } = this.#options;
    const pick = (): Picked => {
      const mayHere = clock.monotonicMs() >= this.#hereAgainMs;
      return (mayHere ? this.#options.own() : undefined) ?? this.#primary();
    };
    const read = (how: ReadLevel): Promise<StatementResult> =>
      this.#led((stripe) => stripe.query(statement, how, expect), true, pick);
    // Whoever looks decides by himself what to do then.
    if (level.kind === 'look') return await read(level);
    try {
      return await read({ ...level, waitMs: HERE_WAIT_MS });
    } catch (error) {
      if (!isMolnError(error, 'DATABASE_BEHIND')) throw error;
      this.#hereAgainMs = clock.monotonicMs() + HERE_REST_MS;
      return await read(level);
    }
  }

  /** `isRead`: may be repeated whatever happened. */
  async #led<T>(
    work: (stripe: StripeClient) => Promise<T>,
    isRead = false,
    pick: () => Picked = () => this.#primary(),
  ): Promise<T> {
    const { clock, databaseName } = this.#options;
    const untilMs = clock.monotonicMs() + TAKEOVER_MS;
    for (;;) {
      const picked = pick();
      const stripe = picked instanceof Promise ? await picked : picked;
      let why = 'no copy of it leads';
      try {
        if (stripe !== undefined) return await work(stripe);
      } catch (error) {
        this.#leader = undefined;
        if (!isMolnError(error)) throw error;
        const mayAgain = AGAIN.has(error.code) || (isRead && error.code === 'DATABASES_PEER_LOST');
        if (!mayAgain || clock.monotonicMs() > untilMs) throw error;
        why = error.message;
      }
      if (clock.monotonicMs() > untilMs)
        throw notReady(databaseName, `stripe ${this.name}: ${why}`);
      await clock.sleep(TAKEOVER_LOOK_MS);
    }
  }

  #primary(): Picked {
    const here = this.#options.own();
    return here?.primary === undefined ? this.#elsewhere() : here;
  }

  async #elsewhere(): Promise<StripeClient | undefined> {
    const { node, log, links, database, name } = this.#options;
    this.#leader ??= (await log.primary(name))?.node;
    if (this.#leader === undefined) return undefined;
    if (this.#leader !== node)
      return new RemoteStripe({ links, node: this.#leader, database, name });
    // It does not lead any more, or not yet.
    this.#leader = undefined;
    return undefined;
  }
}
