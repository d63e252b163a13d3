/** WebDAV's dead properties, in the catalogue. */
import type { CatalogueLink, Statement } from './catalogue-link.ts';
import { behindPrefix } from './listing.ts';
import type { Properties } from './model.ts';
import { text } from './rows.ts';

export class StoredProperties implements Properties {
  readonly #link: CatalogueLink;

  constructor(link: CatalogueLink) {
    this.#link = link;
  }

  async get(bucket: string, path: string): Promise<Readonly<Record<string, string>>> {
    const rows = await this.#link.all(
      'SELECT name, value FROM property WHERE bucket = ? AND path = ? ORDER BY name',
      [bucket, path],
    );
    return Object.fromEntries(rows.map(([name, value]) => [text(name), text(value)]));
  }

  async set(
    bucket: string,
    path: string,
    change: Readonly<Record<string, string | null>>,
  ): Promise<void> {
    const names = Object.entries(change);
    if (names.length === 0) return;
    const statements = names.flatMap(([name, value]) => [
      {
        sql: 'DELETE FROM property WHERE bucket = ? AND path = ? AND name = ?',
        args: [bucket, path, name],
      },
      ...(value === null ? [] : [insertOf(bucket, path, { name, value })]),
    ]);
    await this.#link.run(statements);
  }

  async delete(bucket: string, path: string): Promise<void> {
    await this.#link.run(deletesOf(bucket, path));
  }

  async copy(bucket: string, from: string, to: string): Promise<void> {
    const reads = [
      {
        sql: 'SELECT path, name, value FROM property WHERE bucket = ? AND path = ?',
        args: [bucket, from],
      },
      {
        sql: 'SELECT path, name, value FROM property WHERE bucket = ? AND path > ? AND path < ?',
        args: [bucket, from, belowEnd(from)],
      },
    ];
    await this.#link.transaction(reads, (rows) => ({
      writes: [
        ...deletesOf(bucket, to),
        ...rows.flat().map(([path, name, value]) =>
          insertOf(bucket, `${to}${text(path).slice(from.length)}`, {
            name: text(name),
            value: text(value),
          }),
        ),
      ],
      result: undefined,
    }));
  }
}

/** A folder ends with `/`; below anything else there is nothing. */
export function belowEnd(path: string): string {
  return path === '' || path.endsWith('/') ? (behindPrefix(path) ?? '\u{10ffff}') : path;
}

function deletesOf(bucket: string, path: string): readonly Statement[] {
  return [
    { sql: 'DELETE FROM property WHERE bucket = ? AND path = ?', args: [bucket, path] },
    {
      sql: 'DELETE FROM property WHERE bucket = ? AND path > ? AND path < ?',
      args: [bucket, path, belowEnd(path)],
    },
  ];
}

function insertOf(
  bucket: string,
  path: string,
  { name, value }: { readonly name: string; readonly value: string },
): Statement {
  return {
    sql: 'INSERT INTO property (bucket, path, name, value) VALUES (?, ?, ?, ?)',
    args: [bucket, path, name, value],
  };
}
