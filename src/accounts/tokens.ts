/** API tokens: made once, shown once, verified by hash, revoked for good. */
import { MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { Collection, type Registry, type Stored } from '../registry/registry.ts';
import { TOKEN_NAME_LENGTH_MAX, TOKENS_MAX } from './limits.ts';
import { type Scope, type TokenRecord, tokenSchema } from './records.ts';
import { matches, newSecret, parseSecret, type PresentedSecret } from './secrets.ts';

/** Who asks. */
export interface Principal {
  readonly name: string;
  readonly scope: Scope;
}

/** A token without its secret. `lastUsedAt` is what this node has seen since it started. */
export interface TokenDetail extends Principal {
  readonly id: string;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly lastUsedAt: number | undefined;
}

/** What it takes to check a token, without its secret. */
export interface KnownToken {
  readonly id: string;
  readonly scope: Scope;
  readonly hash: string;
  readonly expiresAt?: number;
}

/** Undefined when the text is none of these, or its time is over. */
export function findToken(
  known: readonly KnownToken[],
  text: string,
  now: number,
): KnownToken | undefined {
  const presented = parseSecret('moln', text);
  const token = known.find(({ id }) => id === presented?.id);
  if (presented === undefined || token === undefined) return undefined;
  return isGood(presented, token, now) ? token : undefined;
}

function isGood(
  presented: PresentedSecret,
  { hash, expiresAt }: Pick<KnownToken, 'hash' | 'expiresAt'>,
  now: number,
): boolean {
  return matches(presented, hash) && (expiresAt === undefined || expiresAt > now);
}

export class Tokens {
  readonly #records: Collection<TokenRecord>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #lastUsedAt = new Map<string, number>();

  constructor(options: {
    readonly registry: Registry;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#records = new Collection({
      registry: options.registry,
      prefix: '/tokens/',
      schema: tokenSchema,
    });
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Without `ttlMs` it is good until it is revoked. The secret is in the answer and nowhere else. */
  async create(options: {
    readonly name: string;
    readonly scope: Scope;
    readonly ttlMs?: number | undefined;
  }): Promise<{ readonly token: string; readonly detail: TokenDetail }> {
    const { name, scope, ttlMs } = options;
    checkName(name);
    if ((await this.#records.list()).length >= TOKENS_MAX) throw tooManyTokens();
    const secret = newSecret('moln');
    const createdAt = this.#clock.now();
    const record: TokenRecord = {
      name,
      scope,
      hash: secret.hash,
      createdAt,
      ...(ttlMs === undefined ? {} : { expiresAt: createdAt + ttlMs }),
    };
    const stored = await this.#records.create(secret.id, record);
    this.#log.info('Token created', { audit: true, id: secret.id, name, scope });
    return { token: secret.text, detail: this.#detail(stored) };
  }

  /** Undefined when unknown, revoked or expired. */
  async verify(token: string): Promise<Principal | undefined> {
    const presented = parseSecret('moln', token);
    if (presented === undefined) return undefined;
    const stored = await this.#records.get(presented.id);
    const now = this.#clock.now();
    if (stored === undefined || !isGood(presented, stored.value, now)) return undefined;
    this.#lastUsedAt.set(stored.id, now);
    return { name: stored.value.name, scope: stored.value.scope };
  }

  /** All of them now and after every change, for a process that checks tokens by itself; see `findToken`. */
  async *watch(signal: AbortSignal): AsyncGenerator<readonly KnownToken[], void, undefined> {
    for await (const { records } of this.#records.watch(signal)) {
      yield [...records].map(([id, { scope, hash, expiresAt }]) => ({
        id,
        scope,
        hash,
        ...(expiresAt === undefined ? {} : { expiresAt }),
      }));
    }
  }

  /** Oldest first, expired ones included, so that one sees why a script stopped working. */
  async list(): Promise<readonly TokenDetail[]> {
    const stored = await this.#records.list();
    return stored
      .map((token) => this.#detail(token))
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  }

  /** Throws `ACCOUNTS_TOKEN_NOT_FOUND`. */
  async revoke(id: string): Promise<void> {
    if (!(await this.#records.delete(id))) {
      throw new MolnError('ACCOUNTS_TOKEN_NOT_FOUND', `No token "${id}"`, {
        hint: 'See the ids with "moln token list"',
      });
    }
    this.#lastUsedAt.delete(id);
    this.#log.info('Token revoked', { audit: true, id });
  }

  #detail(stored: Stored<TokenRecord>): TokenDetail {
    const { name, scope, createdAt, expiresAt } = stored.value;
    const lastUsedAt = this.#lastUsedAt.get(stored.id);
    return { id: stored.id, name, scope, createdAt, expiresAt, lastUsedAt };
  }
}

function checkName(name: string): void {
  if (name.length > 0 && name.length <= TOKEN_NAME_LENGTH_MAX && !/\p{Cc}/u.test(name)) return;
  throw new MolnError(
    'ACCOUNTS_NAME_INVALID',
    `Token name ${JSON.stringify(name)} is not valid, want 1 to ${TOKEN_NAME_LENGTH_MAX} characters`,
    { hint: 'Name it after who uses it, such as --name ci' },
  );
}

function tooManyTokens(): MolnError {
  return new MolnError('ACCOUNTS_TOO_MANY', `There are ${TOKENS_MAX} tokens already`, {
    hint: 'Revoke some with "moln token revoke ID"',
  });
}
