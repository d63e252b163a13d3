/** What the registry keeps about tokens, login codes and sessions. Times are epoch milliseconds. */
import { integer, literal, object, optional, type Schema, string } from '../base/schema.ts';

/** What one may do: everything; deploy and look; look. */
export type Scope = 'admin' | 'deploy' | 'read';

const time = (): Schema<number> => integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const hash = (): Schema<string> => string({ pattern: /^[0-9a-f]{64}$/ });
export const scopeSchema: Schema<Scope> = literal('admin', 'deploy', 'read');

/** Under `/tokens/<id>`. */
export interface TokenRecord {
  readonly name: string;
  readonly scope: Scope;
  readonly hash: string;
  readonly createdAt: number;
  readonly expiresAt?: number;
}
export const tokenSchema: Schema<TokenRecord> = object({
  name: string(),
  scope: scopeSchema,
  hash: hash(),
  createdAt: time(),
  expiresAt: optional(time()),
});

/** Under `/logins/<id>`; gone once it was used. */
export interface LoginRecord {
  readonly hash: string;
  readonly scope: Scope;
  readonly createdAt: number;
  readonly expiresAt: number;
}
export const loginSchema: Schema<LoginRecord> = object({
  hash: hash(),
  scope: scopeSchema,
  createdAt: time(),
  expiresAt: time(),
});

/** Under `/sessions/<id>`. */
export interface SessionRecord {
  readonly hash: string;
  readonly scope: Scope;
  readonly createdAt: number;
  /** Written rarely, see `SESSION_TOUCH_MS`. */
  readonly usedAt: number;
}
export const sessionSchema: Schema<SessionRecord> = object({
  hash: hash(),
  scope: scopeSchema,
  createdAt: time(),
  usedAt: time(),
});
