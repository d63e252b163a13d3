/** Access keys of S3, in the catalogue; their secrets are sealed. Those that were asked for are remembered for a moment. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/time.ts';
import type { CatalogueLink, Row } from './catalogue-link.ts';
import { appKeyOf } from './app-keys.ts';
import { keyNotFound } from './errors.ts';
import { KEY_KNOWN_MS } from './limits.ts';
import type { AccessKey, KeyGrant } from './model.ts';
import { number, text } from './rows.ts';
import { seal, unseal } from './secrets.ts';

export interface AccessKeyDetail {
  readonly accessKeyId: string;
  readonly owner: string;
  readonly may: KeyGrant;
  readonly createdAt: number;
}

const ID_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const ID_LENGTH = 18;
const SECRET_BYTES = 30;

export class AccessKeys {
  readonly #link: CatalogueLink;
  readonly #key: () => Uint8Array;
  readonly #clock: Clock;
  readonly #known = new Map<
    string,
    { readonly key: Promise<AccessKey | undefined>; readonly atMs: number }
  >();

  constructor(options: {
    readonly link: CatalogueLink;
    /** Of the cluster. */
    readonly key: () => Uint8Array;
    readonly clock: Clock;
  }) {
    this.#link = options.link;
    this.#key = options.key;
    this.#clock = options.clock;
  }

  async get(id: string): Promise<AccessKey | undefined> {
    const own = appKeyOf(this.#key(), id);
    if (own !== undefined) return own;
    const now = this.#clock.monotonicMs();
    const known = this.#known.get(id);
    if (known !== undefined && now - known.atMs < KEY_KNOWN_MS) return await known.key;
    for (const [one, { atMs }] of this.#known)
      if (now - atMs >= KEY_KNOWN_MS) this.#known.delete(one);
    const asked = { key: this.#read(id), atMs: now };
    this.#known.set(id, asked);
    try {
      return await asked.key;
    } catch (error) {
      if (this.#known.get(id) === asked) this.#known.delete(id);
      throw error;
    }
  }

  async #read(id: string): Promise<AccessKey | undefined> {
    const row = await this.#link.one(
      "SELECT secret, owner, may FROM accesskey WHERE bucket = '' AND id = ?",
      [id],
    );
    return row === undefined ? undefined : this.#keyOf(id, row);
  }

  /** The secret is shown this once. */
  async create(owner: string, may: KeyGrant): Promise<AccessKey> {
    const id = `MK${[...randomBytes(ID_LENGTH)].map((byte) => ID_CHARACTERS[byte & 31]).join('')}`;
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    await this.#link.run([
      {
        sql: "INSERT INTO accesskey (bucket, id, secret, owner, may, created) VALUES ('', ?, ?, ?, ?, ?)",
        args: [id, seal(this.#key(), secret, id), owner, JSON.stringify(may), this.#clock.now()],
      },
    ]);
    this.#known.delete(id);
    return { id, secret, owner, may };
  }

  async list(): Promise<readonly AccessKeyDetail[]> {
    const rows = await this.#link.all(
      "SELECT id, owner, may, created FROM accesskey WHERE bucket = '' ORDER BY created, id",
      [],
    );
    return rows.map(([id, owner, may, created]) => ({
      accessKeyId: text(id),
      owner: text(owner),
      may: JSON.parse(text(may)) as KeyGrant,
      createdAt: number(created),
    }));
  }

  /** Whether somebody of that name has a key. */
  async isOwner(owner: string): Promise<boolean> {
    const found = await this.#link.one(
      "SELECT 1 FROM accesskey WHERE bucket = '' AND owner = ? LIMIT 1",
      [owner],
    );
    return found !== undefined;
  }

  /** Throws `FILES_KEY_NOT_FOUND`. It opens nothing any more within `KEY_KNOWN_MS`. */
  async remove(id: string): Promise<void> {
    const found = await this.#link.one("SELECT 1 FROM accesskey WHERE bucket = '' AND id = ?", [
      id,
    ]);
    if (found === undefined) throw keyNotFound(id);
    await this.#link.run([
      { sql: "DELETE FROM accesskey WHERE bucket = '' AND id = ?", args: [id] },
    ]);
    this.#known.delete(id);
  }

  #keyOf(id: string, [sealed, owner, may]: Row): AccessKey {
    if (!(sealed instanceof Uint8Array)) throw new Error('The catalogue has no secret of a key');
    return {
      id,
      secret: unseal(this.#key(), sealed, id),
      owner: text(owner),
      may: JSON.parse(text(may)) as KeyGrant,
    };
  }
}
