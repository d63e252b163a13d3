/** WebDAV's locks, in the catalogue (RFC 4918 section 6). They bind whoever asks about them: the file store itself takes writes all the same. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/time.ts';
import type { CatalogueLink, Row, Statement } from './catalogue-link.ts';
import { locked } from './errors.ts';
import type { FileLock, Locks } from './model.ts';
import { belowEnd } from './properties.ts';
import { number, text } from './rows.ts';

const COLUMNS = 'token, path, info, expires';

export class StoredLocks implements Locks {
  readonly #link: CatalogueLink;
  readonly #clock: Clock;

  constructor(options: { readonly link: CatalogueLink; readonly clock: Clock }) {
    this.#link = options.link;
    this.#clock = options.clock;
  }

  async create(bucket: string, wish: Omit<FileLock, 'token' | 'expiresAt'>): Promise<FileLock> {
    const now = this.#clock.now();
    const lock: FileLock = {
      ...wish,
      token: `urn:uuid:${randomUUID()}`,
      expiresAt: now + wish.timeoutMs,
    };
    const { token, path, expiresAt, ...info } = lock;
    const reads = readsOf(bucket, path, { below: wish.depth === 'infinity' });
    return await this.#link.transaction(reads, (rows) => {
      const others = locksOf(rows, { path, now, below: wish.depth === 'infinity' });
      if (others.some((one) => one.token === token)) return { writes: [], result: lock };
      const other = others.find((one) => one.scope === 'exclusive' || wish.scope === 'exclusive');
      if (other !== undefined) throw locked(other.path);
      return {
        writes: [
          { sql: 'DELETE FROM lock WHERE bucket = ? AND expires <= ?', args: [bucket, now] },
          {
            sql: `INSERT INTO lock (bucket, ${COLUMNS}) VALUES (?, ?, ?, ?, ?)`,
            args: [bucket, token, path, JSON.stringify(info), expiresAt],
          },
        ],
        result: lock,
      };
    });
  }

  async refresh(bucket: string, token: string, timeoutMs: number): Promise<FileLock | undefined> {
    const now = this.#clock.now();
    return await this.#link.transaction([readToken(bucket, token)], ([rows]) => {
      const [lock] = (rows ?? []).map(lockOf);
      if (lock === undefined || lock.expiresAt <= now) return { writes: [], result: undefined };
      const fresh: FileLock = { ...lock, timeoutMs, expiresAt: now + timeoutMs };
      const { token: _token, path: _path, expiresAt, ...info } = fresh;
      return {
        writes: [
          {
            sql: 'UPDATE lock SET info = ?, expires = ? WHERE bucket = ? AND token = ?',
            args: [JSON.stringify(info), expiresAt, bucket, token],
          },
        ],
        result: fresh,
      };
    });
  }

  async unlock(bucket: string, token: string): Promise<boolean> {
    const now = this.#clock.now();
    return await this.#link.transaction([readToken(bucket, token)], ([rows]) => {
      const [lock] = (rows ?? []).map(lockOf);
      if (lock === undefined) return { writes: [], result: false };
      const args = [bucket, token];
      return {
        writes: [{ sql: 'DELETE FROM lock WHERE bucket = ? AND token = ?', args }],
        result: lock.expiresAt > now,
      };
    });
  }

  async of(
    bucket: string,
    path: string,
    options: { readonly below?: boolean } = {},
  ): Promise<readonly FileLock[]> {
    const { below = false } = options;
    const rows = await this.#link.read(readsOf(bucket, path, { below }));
    return locksOf(rows, { path, now: this.#clock.now(), below });
  }

  async clear(bucket: string, path: string): Promise<void> {
    await this.#link.run([
      { sql: 'DELETE FROM lock WHERE bucket = ? AND path = ?', args: [bucket, path] },
      {
        sql: 'DELETE FROM lock WHERE bucket = ? AND path > ? AND path < ?',
        args: [bucket, path, belowEnd(path)],
      },
    ]);
  }
}

/** The path and all folders that it is in, the bucket's own (`''`) included. */
export function foldersOf(path: string): readonly string[] {
  const found = [''];
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
    found.push(path.slice(0, at + 1));
  return [...new Set([...found, path])];
}

function readsOf(
  bucket: string,
  path: string,
  { below }: { readonly below: boolean },
): readonly Statement[] {
  const folders = foldersOf(path);
  const reads: Statement[] = [
    {
      sql: `SELECT ${COLUMNS} FROM lock WHERE bucket = ? AND path IN (?${', ?'.repeat(folders.length - 1)})`,
      args: [bucket, ...folders],
    },
  ];
  if (below)
    reads.push({
      sql: `SELECT ${COLUMNS} FROM lock WHERE bucket = ? AND path > ? AND path < ?`,
      args: [bucket, path, belowEnd(path)],
    });
  return reads;
}

function readToken(bucket: string, token: string): Statement {
  return {
    sql: `SELECT ${COLUMNS} FROM lock WHERE bucket = ? AND token = ?`,
    args: [bucket, token],
  };
}

function locksOf(
  rows: readonly (readonly Row[])[],
  { path, now, below }: { readonly path: string; readonly now: number; readonly below: boolean },
): readonly FileLock[] {
  return rows
    .flat()
    .map(lockOf)
    .filter((lock) => lock.expiresAt > now)
    .filter((lock) => {
      const isBelow = below && lock.path.startsWith(path);
      return lock.path === path || isBelow || lock.depth === 'infinity';
    });
}

function lockOf(row: Row): FileLock {
  const [token, path, info, expires] = row;
  const kept = JSON.parse(text(info)) as Omit<FileLock, 'token' | 'path' | 'expiresAt'>;
  return {
    ...kept,
    owner: kept.owner,
    token: text(token),
    path: text(path),
    expiresAt: number(expires),
  };
}
