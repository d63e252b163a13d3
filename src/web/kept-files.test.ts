import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogger } from '../base/log.ts';
import { useModels } from './cascade.ts';
import { belongsTo, file, string } from './fields.ts';
import { files, useFiles } from './files.ts';
import { FolderFiles } from './files-folder.ts';
import { imageUrl, shownImage } from './images.ts';
import { JobRunner } from './jobs.ts';
import { REMOVE_FILES } from './kept-files.ts';
import { model, type RowOf } from './model.ts';
import { makeOwnTables } from './own-tables.ts';
import { transaction, useDatabase } from './sql.ts';
import { SqliteDatabase } from './sqlite-database.ts';

const Photo = model('photo', {
  title: string({ unique: true }),
  image: file({ bytesMax: 100, types: ['image/*'] }),
});
const Album = model('album', { title: string() });
/** Pages lie in each other, and in an album. */
const Page = model('page', {
  album_id: belongsTo('album', { onDelete: 'cascade' }),
  page_id: belongsTo('page', { onDelete: 'cascade', optional: true }),
});
const Picture = model('picture', {
  page_id: belongsTo('page', { onDelete: 'cascade' }),
  image: file(),
});

test('a row has a file: it comes with it, and goes with it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-kept-'));
  t.after(() => rmSync(folder, { recursive: true }));
  useFiles(new FolderFiles(folder));
  await using database = new SqliteDatabase(':memory:');
  await makeOwnTables(database);
  useDatabase(database);
  await database.script(
    'CREATE TABLE photos (id INTEGER PRIMARY KEY, title TEXT UNIQUE, image TEXT, created_at TEXT, updated_at TEXT)',
  );
  const log = createLogger({ part: 'test', now: () => 0, sinks: [] });
  const jobs = new JobRunner({ jobs: [REMOVE_FILES as never], database, log });
  const image = (text: string, type = 'image/png') => new File([text], 'a.png', { type });
  // Each is its bytes and a record of them.
  const count = (): number => readdirSync(folder).length / 2;

  const made = await Photo.tryCreate({ title: 'One', image: image('first') });
  assert.ok(made.ok);
  const { key, ...known } = made.row.image;
  assert.deepEqual(known, { name: 'a.png', size: 5, type: 'image/png' });
  assert.equal(await (await files.get(key))?.text(), 'first');

  const problems = async (given: unknown): Promise<unknown> => {
    const outcome = await Photo.tryCreate({ title: 'Two', image: given });
    return outcome.ok ? undefined : outcome.errors['image'];
  };
  assert.deepEqual(await problems(undefined), ['Image is missing']);
  assert.deepEqual(await problems({ key, name: 'mine' }), ['Image must be a file']);
  assert.deepEqual(await problems(image('x', 'text/html')), ['Image must be of type image/*']);
  assert.deepEqual(await problems(image('x'.repeat(101))), ['Image must have at most 100 B']);
  const taken = await Photo.tryCreate({ title: 'One', image: image('other') });
  assert.deepEqual(taken.ok ? [] : taken.errors['title'], ['Title is taken already']);
  assert.equal(count(), 1);

  const changed = await Photo.tryUpdate(made.row, { image: image('second') });
  assert.ok(changed.ok);
  const same = await Photo.tryUpdate(changed.row, { title: 'Uno' });
  assert.ok(same.ok);
  assert.equal(await jobs.drain(), 1);
  assert.equal(await files.get(key), undefined);

  await assert.rejects(
    transaction(async () => {
      await Photo.delete(same.row);
      throw new Error('No');
    }),
  );
  assert.equal(await jobs.drain(), 0);
  const url = new URL(imageUrl(same.row.image, { width: 10 }), 'http://a.test');
  const shown = await shownImage(url);
  assert.match(shown.headers.get('content-security-policy') ?? '', /^sandbox/);
  assert.equal(await shown.text(), 'second');
  // A seal is of one kind of address: that of `files.url` is over, this one never is.
  const { searchParams } = new URL(files.url(same.row.image.key), url);
  const lent = new URL(url);
  lent.searchParams.set('width', searchParams.get('until') ?? '');
  lent.searchParams.set('seal', searchParams.get('seal') ?? '');
  await assert.rejects(shownImage(lent), { code: 'WEB_NOT_FOUND' });
  url.searchParams.set('width', '11');
  await assert.rejects(shownImage(url), { code: 'WEB_NOT_FOUND' });

  await Photo.delete(same.row);
  assert.equal(await jobs.drain(), 1);
  assert.equal(count(), 0);
});

test('files of rows that the database deletes with another one go too, unless that is taken back', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-kept-'));
  t.after(() => rmSync(folder, { recursive: true }));
  useFiles(new FolderFiles(folder));
  await using database = new SqliteDatabase(':memory:');
  await makeOwnTables(database);
  useDatabase(database);
  useModels([Album, Page, Picture, Photo] as never);
  t.after(() => useModels([]));
  await database.script(`
    CREATE TABLE albums (id INTEGER PRIMARY KEY, title TEXT, created_at TEXT, updated_at TEXT);
    CREATE TABLE pages (id INTEGER PRIMARY KEY, album_id INTEGER REFERENCES albums (id) ON DELETE CASCADE,
      page_id INTEGER REFERENCES pages (id) ON DELETE CASCADE, created_at TEXT, updated_at TEXT);
    CREATE TABLE pictures (id INTEGER PRIMARY KEY, page_id INTEGER REFERENCES pages (id) ON DELETE CASCADE, image TEXT,
      created_at TEXT, updated_at TEXT);`);
  const log = createLogger({ part: 'test', now: () => 0, sinks: [] });
  const jobs = new JobRunner({ jobs: [REMOVE_FILES as never], database, log });
  const count = (): number => readdirSync(folder).length / 2;
  const image = new File(['x'], 'a.png');
  const make = async (): Promise<RowOf<typeof Album>> => {
    const album = await Album.create({ title: 'One' });
    const outer = await Page.create({ album_id: album.id });
    const inner = await Page.create({ album_id: album.id, page_id: outer.id });
    await Page.update(outer, { page_id: inner.id });
    for (const { id } of [outer, inner, inner])
      assert.ok((await Picture.tryCreate({ page_id: id, image })).ok);
    return album;
  };
  const [one] = [await make(), await make()];
  assert.equal(count(), 6);
  const undone = transaction(async () => {
    await Album.delete(one);
    throw new Error('No');
  });
  await assert.rejects(undone, /No/);
  assert.equal(await jobs.drain(), 0);
  assert.ok(await Album.delete(one));
  assert.equal(await jobs.drain(), 1);
  assert.deepEqual([count(), await Picture.count(), await Page.count()], [3, 3, 2]);
  // What the model says and no migration did: the row stays, and so does its file.
  await database.script(`
    DROP TABLE pictures;
    CREATE TABLE pictures (id INTEGER PRIMARY KEY, page_id INTEGER REFERENCES pages (id) ON DELETE SET NULL, image TEXT,
      created_at TEXT, updated_at TEXT);`);
  assert.ok(await Album.delete(await make()));
  assert.deepEqual([await jobs.drain(), count(), await Picture.count()], [0, 6, 3]);
});
