/**
 * What an app remembers of a visitor between requests: a small JSON value in a cookie that is signed, so that any instance
 * reads it and nobody can forge it. It can be read by the visitor: no secrets in it.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { MolnError } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';

/** Not that of the console, which gateways keep from apps. */
export const SESSION_COOKIE = 'app_session';
/** Browsers keep cookies of 4 KiB. */
const COOKIE_CHARACTERS_MAX = 3800;
/** After so long without a request the visitor is forgotten. */
const LIFE_SECONDS: number = 14 * 24 * 3600;
/** A cookie is written again when it has used up so much of its life. */
const RENEW_SECONDS: number = 24 * 3600;

interface Stored {
  readonly values: Readonly<Record<string, unknown>>;
  /** Seconds since the epoch. */
  readonly until: number;
}

export class Session {
  #values: Record<string, unknown>;
  #isChanged = false;
  #isSent = false;
  readonly #wasStored: boolean;
  readonly #until: number;

  constructor(stored: Stored | undefined) {
    this.#values = { ...stored?.values };
    this.#wasStored = stored !== undefined;
    this.#until = stored?.until ?? 0;
  }

  /** Reads the cookie; whatever is forged, broken or too old is a new session. */
  static read(cookie: string | undefined, secret: string, nowMs: number): Session {
    const [text = '', signature = ''] = cookie?.split('.') ?? [];
    if (text === '' || !sameText(signature, sign(text, secret))) return new Session(undefined);
    const stored = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Stored;
    return new Session(stored.until * 1000 > nowMs ? stored : undefined);
  }

  get<Value = unknown>(name: string): Value | undefined {
    return this.#values[name] as Value | undefined;
  }

  /** True when the head of the answer is made, with its cookie: nothing more can be kept. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /** From now on changes throw `WEB_SESSION_SENT`. @internal */
  seal(): void {
    this.#isSent = true;
  }

  /** `undefined` removes it. */
  set(name: string, value: unknown): void {
    this.#refuseLate();
    if (value === undefined) delete this.#values[name];
    else this.#values[name] = value;
    this.#isChanged = true;
  }

  /** Forgets everything: what signing out does, and signing in before it says who it is. */
  clear(): void {
    this.#refuseLate();
    this.#values = {};
    this.#isChanged = true;
  }

  #refuseLate(): void {
    if (!this.#isSent) return;
    throw new MolnError(
      'WEB_SESSION_SENT',
      'The session cannot change: its cookie is sent already',
      {
        hint: 'Change it in the action, or in a part of the page that is outside of <Suspense>',
      },
    );
  }

  /** What a form sends back, to show that it is ours. */
  get token(): string {
    const known = this.get<string>('csrf');
    if (known !== undefined) return known;
    const token = randomId(24);
    this.set('csrf', token);
    return token;
  }

  isToken(given: unknown): boolean {
    const known = this.get<string>('csrf');
    return known !== undefined && typeof given === 'string' && sameText(given, known);
  }

  /** True when the answer depends on who asks, so that no cache may keep it. */
  get isPersonal(): boolean {
    return this.#isChanged || this.#wasStored;
  }

  /** The value of `Set-Cookie`, when there is something to tell. Throws `WEB_SESSION_FULL`. @internal */
  cookie(secret: string, nowMs: number, isSecure: () => boolean): string | undefined {
    const nowSeconds = Math.floor(nowMs / 1000);
    const isOld = this.#wasStored && this.#until - nowSeconds < LIFE_SECONDS - RENEW_SECONDS;
    if (!this.#isChanged && !isOld) return undefined;
    const attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure() ? '; Secure' : ''}`;
    if (Object.keys(this.#values).length === 0)
      return `${SESSION_COOKIE}=; Max-Age=0; ${attributes}`;
    const stored: Stored = { values: this.#values, until: nowSeconds + LIFE_SECONDS };
    const text = Buffer.from(JSON.stringify(stored)).toString('base64url');
    if (text.length > COOKIE_CHARACTERS_MAX) {
      throw new MolnError(
        'WEB_SESSION_FULL',
        `The session has ${text.length} characters, at most ${COOKIE_CHARACTERS_MAX} fit`,
        {
          hint: 'Keep what is large in a table, and its id in the session',
        },
      );
    }
    return `${SESSION_COOKIE}=${text}.${sign(text, secret)}; Max-Age=${LIFE_SECONDS}; ${attributes}`;
  }
}

/** The cookie of that name in a `Cookie` field. */
export function readCookie(header: string | null, name: string): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=');
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

function sign(text: string, secret: string): string {
  return createHmac('sha256', secret).update(`session:${text}`).digest('base64url');
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
