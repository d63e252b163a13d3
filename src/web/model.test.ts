import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError, type MolnError } from '../base/errors.ts';
import { belongsTo, boolean, datetime, fromColumn, integer, json, string, text } from './fields.ts';
import { model, type RowOf } from './model.ts';
import { limitRate, makeOwnTables } from './own-tables.ts';
import { query, type SqlResult, transaction, useDatabase } from './sql.ts';
import { SqliteDatabase } from './sqlite-database.ts';

const User = model('user', {
  email: string({ format: 'email', unique: true }),
  digest: string({ hidden: true }),
});
const Post = model(
  'post',
  {
    title: string({ max: 20 }),
    body: text({ optional: true }),
    state: string({ oneOf: ['draft', 'online'], default: 'draft' }),
    published: boolean(),
    likes: integer({ min: 0, default: 0 }),
    due: datetime({ optional: true }),
    tags: json<readonly string[]>({ default: [] }),
    user_id: belongsTo('user', { optional: true }),
  },
  {
    locking: true,
    validate: ({ title, body }) =>
      title === body ? { body: 'Body repeats the title' } : undefined,
  },
);
type Post = RowOf<typeof Post>;

async function database(): Promise<SqliteDatabase> {
  const made = new SqliteDatabase(':memory:');
  await made.script(`
    CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, created_at TEXT, updated_at TEXT);
    CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT, body TEXT, state TEXT, published INTEGER, likes INTEGER, due TEXT,
      tags TEXT, user_id INTEGER REFERENCES users (id), version INTEGER, created_at TEXT, updated_at TEXT);`);
  useDatabase(made);
  return made;
}

test('rows keep what they are given, and queries find them', async () => {
  await using _database = await database();
  const due = new Date('2027-01-31T12:00:00Z');
  const made: Post = await Post.create({ title: 'First', due, tags: ['a'], published: true });
  assert.deepEqual({ ...(await Post.get(made.id)) }, { ...made });
  assert.equal(made.state, 'draft');
  assert.equal(made.due?.getTime(), due.getTime());
  for (let at = 2; at <= 5; at++) await Post.create({ title: `Post ${at}`, likes: at, tags: [] });
  const titles = async (rows: Promise<readonly Post[]>): Promise<string> =>
    (await rows).map(({ title }) => title).join();
  assert.equal(await titles(Post.where({ published: true }).all()), 'First');
  assert.equal(
    await titles(
      Post.where({ likes: { gte: 3, lt: 5 } })
        .order('-likes')
        .all(),
    ),
    'Post 4,Post 3',
  );
  assert.equal(await titles(Post.where({ id: [1, 3], due: null }).all()), 'Post 3');
  assert.equal(
    await titles(
      Post.where({ title: { like: 'Post%' } })
        .limit(2)
        .offset(1)
        .all(),
    ),
    'Post 3,Post 4',
  );
  const page = await Post.order('-id').page('2', 2);
  assert.deepEqual(
    [page.number, page.pages, page.total, await titles(Promise.resolve(page.rows))],
    [2, 3, 5, 'Post 3,Post 2'],
  );
  assert.equal((await Post.page('drop table')).number, 1);
  assert.equal(await Post.where({ likes: { gt: 1 } }).update({ published: true }), 4);
  assert.deepEqual(await query`SELECT count(*) AS n FROM posts WHERE title = ${"' OR 1=1"}`, [
    { n: 0 },
  ]);
  // @ts-expect-error -- the compiler knows the fields; a request does not ask it
  assert.throws(() => Post.where({ titel: 'x' }), /There is no field of "post" called "titel"/);
});

test('what a request gives is checked, field by field', async () => {
  await using _database = await database();
  const refused = await Post.tryCreate({
    title: 'x'.repeat(21),
    likes: '-1',
    due: 'soon',
    state: 'gone',
    user_id: 'me',
  });
  assert.deepEqual(refused.ok ? {} : refused.errors, {
    title: ['Title must have at most 20 characters'],
    state: ['State must be one of draft, online'],
    likes: ['Likes must be at least 0'],
    due: ['Due must be a date and time'],
    user_id: ['User must be chosen'],
  });
  const both = await Post.tryCreate({ title: 'Same', body: 'Same' });
  assert.deepEqual(both.ok ? {} : both.errors, { body: ['Body repeats the title'] });
  const made = await Post.tryCreate({
    title: 'T',
    published: 'on',
    likes: '3',
    due: '2027-01-31T12:00Z',
    nonsense: 1,
    tags: '["a"]',
  });
  assert.ok(made.ok);
  assert.deepEqual(
    [made.row.published, made.row.likes, made.row.due?.toISOString(), made.row.tags],
    [true, 3, '2027-01-31T12:00:00.000Z', ['a']],
  );
  await assert.rejects(Post.create({ title: '', tags: [] }), (error) =>
    isMolnError(error, 'WEB_INVALID'),
  );
  const verdict = await Post['~standard'].validate({});
  assert.deepEqual(verdict.issues, [{ message: 'Title is missing', path: ['title'] }]);
});

test('hidden fields come from code alone, and go into no JSON', async () => {
  await using _database = await database();
  const made = await User.tryCreate({ email: 'a@b.se', digest: 'mine' }, { digest: 'theirs' });
  assert.ok(made.ok);
  assert.equal(made.row.digest, 'theirs');
  assert.ok(!JSON.stringify([made.row]).includes('theirs'));
  const again = await User.tryCreate({ email: 'a@b.se' }, { digest: 'x' });
  assert.deepEqual(again.ok ? {} : again.errors, { email: ['Email is taken already'] });
  const lost = await Post.tryCreate({ title: 'T', user_id: '99' });
  assert.deepEqual(lost.ok ? {} : lost.errors, { user_id: ['User is not there any more'] });
});

test('somebody who was slower does not overwrite', async () => {
  await using _database = await database();
  const post = await Post.create({ title: 'One', tags: [] });
  await Post.update(post, { title: 'Two' });
  await assert.rejects(Post.update(post, { title: 'Three' }), (error) =>
    isMolnError(error, 'WEB_STALE'),
  );
  const given = { title: 'Four', body: '', likes: '0', published: '1', version: '1' };
  const form = await Post.tryUpdate(await Post.get(post.id), given);
  const told = 'Somebody else has changed this post in the meantime';
  assert.deepEqual(form, {
    ok: false,
    status: 409,
    errors: {
      title: [`${told}. Title is "Two" now`],
      published: [`${told}. Published is not ticked now`],
    },
    values: given,
  });
  const same = await Post.tryUpdate(post, { title: 'Two', version: '1' });
  assert.deepEqual(same.ok ? {} : same.errors, { title: [told] });
  assert.equal((await Post.get(post.id)).title, 'Two');
  await Post.delete(post);
  const gone = Post.tryUpdate(post, { title: 'Five', version: '1' });
  await assert.rejects(gone, (error) => isMolnError(error, 'WEB_NOT_FOUND'));
});

test('words of a visitor are found in any of the fields, and mean nothing else', async () => {
  await using _database = await database();
  for (const title of ['The Pump leaks', '100% done', 'a\\b'])
    await Post.create({ title, tags: [] });
  const found = async (text: string): Promise<readonly string[]> =>
    (await Post.search(text, 'title', 'body').all()).map(({ title }) => title);
  assert.deepEqual(await found(' LEAKS\npump '), ['The Pump leaks']);
  assert.deepEqual(await found('pump done'), []);
  assert.deepEqual(await found('0%'), ['100% done']);
  assert.deepEqual(await found('0_'), []);
  assert.deepEqual(await found('\\'), ['a\\b']);
  assert.equal((await found('')).length, 3);
  assert.deepEqual(await found(`'); DROP TABLE posts; --`), []);
  assert.deepEqual(await found('_'.repeat(60_000)), []);
});

test('a transaction is all or nothing, and keeps others out', async () => {
  await using _database = await database();
  const failed = transaction(async () => {
    await Post.create({ title: 'Gone', tags: [] });
    await transaction(async () => Post.create({ title: 'Gone too', tags: [] }));
    throw new Error('No');
  });
  const other = Post.create({ title: 'Stays', tags: [] });
  await assert.rejects(failed, /^Error: No$/);
  await other;
  assert.deepEqual(
    (await Post.all()).map(({ title }) => title),
    ['Stays'],
  );
});

test('what a form cannot bring must come from code, and of two alike the form says what they share', async () => {
  await using made = new SqliteDatabase(':memory:');
  await made.script(
    `CREATE TABLE guests (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, day TEXT NOT NULL, wishes TEXT, created_at TEXT, updated_at TEXT,
       UNIQUE (user_id, day));`,
  );
  useDatabase(made);
  const Guest = model('guest', {
    user_id: integer({ editable: false, label: 'User' }),
    day: string(),
    wishes: json<readonly string[]>({ optional: true }),
  });
  const { wishes }: { wishes: readonly string[] | null } = await Guest.create({
    user_id: 6,
    day: 'Monday',
  });
  assert.equal(wishes, null);
  await assert.rejects(Guest.tryCreate({ day: 'Monday', user_id: '7' }), (error: MolnError) => {
    assert.equal(error.code, 'WEB_NOT_GIVEN');
    assert.match(`${error.message}: ${error.hint}`, /"user_id"[\s\S]*tryCreate\(form, \{ user_id/);
    return true;
  });
  assert.ok((await Guest.tryCreate({ day: 'Monday' }, { user_id: 7 })).ok);
  const again = await Guest.tryCreate({ day: 'Monday' }, { user_id: 7 });
  assert.deepEqual(again.ok ? {} : again.errors, {
    day: ['There is one with this User and Day already'],
  });
});

test('a rate is limited over all instances', async () => {
  await using made = await database();
  await makeOwnTables(made);
  await makeOwnTables(made);
  for (let times = 0; times < 3; times++) await limitRate('ada', { times: 3, seconds: 60 });
  await assert.rejects(limitRate('ada', { times: 3, seconds: 60 }), (error) =>
    isMolnError(error, 'WEB_TOO_MANY'),
  );
  await limitRate('bob', { times: 3, seconds: 60 });
  await limitRate('eve', { times: 1, seconds: -1 });
  await limitRate('eve', { times: 1, seconds: -1 });
});

test('times in the database are read as `Date.parse` reads them, however they are written', () => {
  for (const kept of [
    '2026-01-31T09:30:05.123Z',
    '2024-02-29T23:59:59.999Z',
    '0050-01-01T00:00:00.000Z',
    '2026-13-01T00:00:00.000Z',
    '2026-00-01T00:00:00.000Z',
    '2026-01-31T25:00:00.000Z',
    '2026-01-31T09:30:05.12xZ',
    '20x6-01-31T09:30:05.123Z',
    '2026/01/31T09:30:05.123Z',
    '2026-01-31 09:30:05Z',
  ])
    assert.equal((fromColumn(datetime(), kept) as Date).getTime(), Date.parse(kept), kept);
});

test('rows of a statement that is kept have the columns that the table has now', async () => {
  await using database = new SqliteDatabase(':memory:');
  const run = (sql: string): Promise<SqlResult> => database.run({ sql, args: [] });
  await run('CREATE TABLE t AS SELECT 1 AS a, 2 AS b, 3 AS c');
  assert.deepEqual((await run('SELECT * FROM t')).rows, [{ a: 1, b: 2, c: 3 }]);
  await run('ALTER TABLE t DROP COLUMN b');
  assert.deepEqual((await run('SELECT * FROM t')).rows, [{ a: 1, c: 3 }]);
});
