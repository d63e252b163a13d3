/** Who a client of a database is, by the token that it shows: one of the database's own, or one of the API. */
import { findToken, type KnownToken } from '../accounts/accounts.ts';
import { type Caller, HranaError } from '../hrana/hrana.ts';
import type { KnownTokens } from './tokens.ts';

/** Whoever uses the API's own socket, or runs on the node as its user. */
export const LOCAL_CALLER: Caller = { id: 'local', readOnly: false };

const UNAUTHORIZED = 401;

/** Throws `HranaError` with the codes that clients of libSQL know. */
export function callerOf(
  token: string | undefined,
  known: {
    /** Of the database. */
    readonly ofDatabase: KnownTokens;
    /** Of the API. */
    readonly tokens: readonly KnownToken[];
    readonly now: number;
  },
): Caller {
  if (token === undefined) {
    throw new HranaError(
      'AUTH_HTTP_HEADER_MISSING',
      'This database needs a token: make one with "moln db token NAME"',
      { status: UNAUTHORIZED },
    );
  }
  const { ofDatabase, tokens, now } = known;
  const own = ofDatabase.find(token, now);
  if (own !== undefined) return { id: own.id, readOnly: own.grant.readOnly };
  const ofApi = findToken(tokens, token, now);
  if (ofApi !== undefined) return { id: `token:${ofApi.id}`, readOnly: ofApi.scope === 'read' };
  throw new HranaError(
    'AUTH_JWT_INVALID',
    'The token is unknown, expired, revoked, or one of another database',
    { status: UNAUTHORIZED },
  );
}
