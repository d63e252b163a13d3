/** Names and passwords (RFC 7617). Verdicts are remembered, since a good hash takes its time; what is remembered is no password. */
import { createHmac, randomBytes } from 'node:crypto';
import { isPassword } from './password-hash.ts';
import type { BasicAuthConfig } from './site-config.ts';

/** Right credentials remembered; the map is emptied when it is full. */
const REMEMBERED_MAX = 4096;
/** Under way at once: each may take 128 MiB for a moment. */
const CHECKS_MAX = 8;
/** Beyond them the answer is 503. */
const WAITING_MAX = 256;
const CREDENTIALS_CHARACTERS_MAX = 1024;

/** `wait`: ask `check`. */
export type Verdict = 'right' | 'wrong' | 'wait';

export class BasicAuth {
  readonly challenge: string;
  readonly #users: ReadonlyMap<string, string>;
  /** For names that nobody has: a guess must take as long as with a name that somebody has. */
  readonly #decoy: string;
  readonly #secret: Buffer = randomBytes(32);
  readonly #right = new Set<string>();
  readonly #queue: (() => void)[] = [];
  #checking = 0;

  constructor({ realm, users }: BasicAuthConfig) {
    this.challenge = `WWW-Authenticate: Basic realm="${realm}", charset="UTF-8"\r\n`;
    this.#users = new Map(users.map(({ name, hash }) => [name, hash]));
    this.#decoy = users[0]?.hash ?? '';
  }

  /** What is known at once about a value of Authorization. */
  known(authorization: string | undefined): Verdict {
    if (authorization === undefined || parse(authorization) === undefined) return 'wrong';
    return this.#right.has(this.#keyOf(authorization)) ? 'right' : 'wait';
  }

  /** Undefined when too many wait. */
  async check(authorization: string): Promise<boolean | undefined> {
    const credentials = parse(authorization);
    if (credentials === undefined) return false;
    if (!(await this.#turn())) return undefined;
    try {
      const hash = this.#users.get(credentials.name);
      const fits = await isPassword(credentials.password, hash ?? this.#decoy);
      const isRight = fits && hash !== undefined;
      if (isRight) this.#remember(this.#keyOf(authorization));
      return isRight;
    } finally {
      const next = this.#queue.shift();
      // The next one takes over its place.
      if (next === undefined) this.#checking--;
      else next();
    }
  }

  async #turn(): Promise<boolean> {
    if (this.#checking >= CHECKS_MAX) {
      if (this.#queue.length >= WAITING_MAX) return false;
      await new Promise<void>((resolve) => this.#queue.push(resolve));
      return true;
    }
    this.#checking++;
    return true;
  }

  #remember(key: string): void {
    if (this.#right.size >= REMEMBERED_MAX) this.#right.clear();
    this.#right.add(key);
  }

  #keyOf(authorization: string): string {
    return createHmac('sha256', this.#secret).update(authorization).digest('base64');
  }
}

/** Who shows these credentials; whether they are right is another question. */
export function nameOf(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : parse(authorization)?.name;
}

function parse(
  authorization: string,
): { readonly name: string; readonly password: string } | undefined {
  if (authorization.length > CREDENTIALS_CHARACTERS_MAX) return undefined;
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
