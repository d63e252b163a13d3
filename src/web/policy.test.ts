/** Policies as visitors meet them: an app whose actions check nothing by themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../base/log.ts';
import { adminPages } from './admin.ts';
import { App } from './app.ts';
import { cached } from './cache.ts';
import { collectParts } from './collect.ts';
import { currentContext } from './context.ts';
import { belongsTo, string } from './fields.ts';
import { typedQueries } from './kysely-main.ts';
import { model } from './model.ts';
import { oncePerRequest } from './once-per-request.ts';
import { authorize, can, policy, withoutPolicies } from './policy.ts';
import type { Controller } from './routes.ts';
import { SqliteDatabase } from './sqlite-database.ts';

const Team = model('team', { name: string() });
const Note = model('note', {
  text: string(),
  author: string({ editable: false }),
  team_id: belongsTo('team'),
});
const Label = model('label', { word: string(), note_id: belongsTo('note') });
const Card = model(
  'card',
  { text: string(), owner: string({ editable: false }) },
  { locking: true },
);

const who = (): string => currentContext().query('as') ?? '';
/** Whose team is which: Ada and Bob have the first, Eve has the second. */
const teamOf = (): number => (who() === 'eve' ? 2 : 1);
const notePolicy = policy(Note, {
  see: async () => {
    // Rules see everything: else this would ask itself.
    assert.ok((await Note.count()) >= 3);
    // As of a user whom nobody has found: there is no such team.
    const team = who() === 'guest' ? undefined : teamOf();
    return who() !== 'nobody' && { team_id: team as number };
  },
  create: ({ team_id }) => team_id === teamOf(),
  update: ({ author, team_id }) => author === who() && team_id === teamOf(),
  pin: ({ author }) => author === who(),
});
const teams = oncePerRequest(() => Team.all());
const teamPolicy = policy(Team, {
  see: async () => ({ id: (await teams()).map(({ id }) => id).filter((id) => id === teamOf()) }),
});
/** What another instance does after the policy was asked about a card, and before that card is changed. */
let meanwhile: () => Promise<unknown> = () => Promise.resolve();
const cardPolicy = policy(Card, {
  see: () => ({ owner: who() }),
  update: async ({ owner }) => {
    const isAllowed = owner === who();
    await meanwhile();
    return isAllowed;
  },
  delete: async ({ owner }) => {
    const isAllowed = owner === who();
    await meanwhile();
    return isAllowed;
  },
});
const cards: Controller = {
  update: async (c) => c.json(await Card.update(Number(c.params['id']), await c.form())),
  destroy: async (c) => c.json(await Card.delete(Number(c.params['id']))),
  'PATCH /:id/form': async (c) => {
    const made = await Card.tryUpdate(await Card.get(c.params['id']), await c.form());
    return made.ok ? c.json(true) : await c.invalid(made, () => '');
  },
};

const notes: Controller = {
  index: async () => (await Note.all()).map(({ text }) => text),
  show: async (c) => await Note.get(c.params['id']),
  create: async (c) => {
    const made = await Note.tryCreate(await c.form(), { author: who() });
    return made.ok ? c.done('/notes', made.row) : c.invalid(made, () => '');
  },
  update: async (c) => {
    const changed = await Note.tryUpdate(await Note.get(c.params['id']), await c.form());
    return changed.ok ? c.done('/notes', changed.row) : c.invalid(changed, () => '');
  },
  destroy: async (c) => c.json(await Note.delete(Number(c.params['id']))),
  'POST /labels': async (c) => {
    const made = await Label.tryCreate(await c.form());
    return made.ok ? c.done('/', made.row) : c.invalid(made, () => '');
  },
  'POST /:id/pin': async (c) => {
    await authorize('pin', await Note.get(c.params['id']));
    return c.json('pinned');
  },
  'GET /count': async () => await withoutPolicies(async () => await Note.count()),
  'GET /popular': async () => await cached('popular', { seconds: 60 }, () => Note.all()),
  'GET /may-cached': async (c) => {
    const note = await Note.get(1);
    return c.json(await cached('may', { seconds: 60 }, () => can('pin', note)));
  },
  'GET /teams': async () => [(await teams()).length, (await Team.all()).length],
  'GET /teams-later': async () => [(await Team.all()).length, (await teams()).length],
  'POST /given': async (c) => {
    const { id, ...values } = await c.form();
    const row = id === undefined ? Note.create(values as never) : Note.update(Number(id), values);
    return c.json((await row).team_id);
  },
  'GET /typed': async () => {
    const db = typedQueries({ notes: Note, labels: Label });
    const ours = db.selectFrom('notes').select('id');
    return await db.selectFrom('labels').selectAll().where('note_id', 'in', ours).execute();
  },
  'POST /clear': async () => await Note.where({ author: 'ada' }).delete(),
  'GET /may/:verb': async (c) => {
    const [first] = await Note.all();
    return c.json(await can(c.params['verb'] ?? '', first ?? Note));
  },
};

async function start() {
  const database = new SqliteDatabase(':memory:');
  await database.script(`
    CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT, created_at TEXT, updated_at TEXT);
    CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, author TEXT, team_id INTEGER REFERENCES teams (id), created_at TEXT, updated_at TEXT);
    CREATE TABLE cards (id INTEGER PRIMARY KEY, text TEXT, owner TEXT, version INTEGER, created_at TEXT, updated_at TEXT);
    CREATE TABLE labels (id INTEGER PRIMARY KEY, word TEXT, note_id INTEGER REFERENCES notes (id), created_at TEXT, updated_at TEXT);`);
  const reasons: string[] = [];
  const app = await App.start(
    {
      controllers: {
        notes,
        cards,
        admin: adminPages({ models: [Note], before: [() => undefined] }),
      },
      models: [],
      policies: [notePolicy, teamPolicy, cardPolicy],
      migrations: [],
      jobs: [],
      publicFolder: '/nowhere',
      islands: new Map(),
      islandScript: '',
    },
    {
      database,
      log: createLogger({
        part: 'test',
        now: () => 0,
        sinks: [({ fields: { error } }) => typeof error === 'string' && reasons.push(error)],
      }),
    },
  );
  // No visitor: nobody is asked.
  for (const name of ['One', 'Two']) await Team.create({ name });
  await Note.create({ text: 'Ours', author: 'ada', team_id: 1 });
  await Note.create({ text: 'Also ours', author: 'bob', team_id: 1 });
  await Note.create({ text: 'Theirs', author: 'eve', team_id: 2 });
  /** Status and JSON of the answer to somebody. */
  const ask = async (as: string, method: string, path: string, given?: object) => {
    const response = await app.fetch(
      new Request(`http://app.test${path}?as=${as}`, {
        method,
        headers: { accept: 'application/json', 'content-type': 'application/json' },
        ...(given === undefined ? {} : { body: JSON.stringify(given) }),
      }),
    );
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return [response.status, isJson ? (JSON.parse(text) as unknown) : text] as const;
  };
  const status = async (...words: Parameters<typeof ask>): Promise<number> =>
    (await ask(...words))[0];
  return {
    ask,
    status,
    reasons,
    database,
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

test('what a visitor may not see is not there', async () => {
  await using app = await start();
  assert.deepEqual(await app.ask('ada', 'GET', '/notes'), [200, ['Ours', 'Also ours']]);
  assert.deepEqual(await app.ask('eve', 'GET', '/notes'), [200, ['Theirs']]);
  assert.deepEqual(await app.ask('nobody', 'GET', '/notes'), [200, []]);
  assert.deepEqual(await app.ask('guest', 'GET', '/notes'), [200, []]);
  assert.equal(await app.status('ada', 'GET', '/notes/1'), 200);
  assert.equal(await app.status('eve', 'GET', '/notes/1'), 404);
  assert.deepEqual(await app.ask('eve', 'GET', '/notes/count'), [200, 3]);
});

test('what a visitor may not do is refused, before and after the change', async () => {
  await using app = await start();
  const changes = { text: 'New' };
  assert.equal(await app.status('ada', 'PATCH', '/notes/1', changes), 200);
  assert.equal(await app.status('bob', 'PATCH', '/notes/1', changes), 403);
  assert.equal(await app.status('eve', 'PATCH', '/notes/1', changes), 404);
  // Nobody may delete, for there is no rule for it; who does not see it does not learn that.
  assert.equal(await app.status('ada', 'DELETE', '/notes/1'), 403);
  assert.deepEqual(await app.ask('eve', 'DELETE', '/notes/1'), [200, false]);
  assert.equal(await app.status('ada', 'POST', '/notes', { text: 'More', team_id: 1 }), 201);
  const [refused, problem] = await app.ask('eve', 'POST', '/notes', { text: 'More', team_id: 1 });
  assert.equal(refused, 422);
  assert.deepEqual((problem as { errors: unknown }).errors, { team_id: ['Team is not there'] });
  assert.equal(await app.status('eve', 'POST', '/notes', { text: 'More', team_id: 2 }), 201);
  assert.equal(await app.status('ada', 'PATCH', '/notes/1', { team_id: 2 }), 422);
  // What code gives is asked for all the same: the new row, and the row as it would be.
  const forged = { text: 'More', author: 'eve', team_id: 1 };
  assert.equal(await app.status('eve', 'POST', '/notes/given', forged), 403);
  assert.equal(await app.status('ada', 'POST', '/notes/given', { id: 1, team_id: 2 }), 403);
  assert.deepEqual(await app.ask('ada', 'POST', '/notes/given', { id: 1, team_id: 1 }), [200, 1]);
  assert.equal(await Note.count(), 5);
});

test('a row that is given away after its policy was asked is not changed', async () => {
  await using app = await start();
  for (const text of ['One', 'Two', 'Three']) await Card.create({ text, owner: 'ada' });
  const once = (sql: string): void => {
    meanwhile = async () => {
      meanwhile = () => Promise.resolve();
      await app.database.run({ sql, args: [] });
    };
  };
  once("UPDATE cards SET owner = 'eve' WHERE id = 1");
  assert.equal(await app.status('ada', 'PATCH', '/cards/1', { text: 'Mine' }), 404);
  assert.deepEqual(
    { ...(await Card.get(1)), created_at: 0, updated_at: 0 },
    {
      id: 1,
      text: 'One',
      owner: 'eve',
      version: 1,
      created_at: 0,
      updated_at: 0,
    },
  );
  once("UPDATE cards SET owner = 'eve' WHERE id = 2");
  assert.deepEqual(await app.ask('ada', 'DELETE', '/cards/2'), [200, false]);
  assert.equal((await Card.get(2)).owner, 'eve');
  // Another change of it is no reason to refuse: the policy is asked again, and both are there.
  once("UPDATE cards SET text = 'Theirs' WHERE id = 3");
  assert.equal(await app.status('ada', 'PATCH', '/cards/3', { owner: 'ada' }), 200);
  assert.equal((await Card.get(3)).text, 'Theirs');
  // Whoever is always faster wins.
  let count = 0;
  meanwhile = () =>
    app.database.run({ sql: `UPDATE cards SET text = 'Again ${++count}' WHERE id = 3`, args: [] });
  assert.equal(await app.status('ada', 'PATCH', '/cards/3', { text: 'Late' }), 409);
  assert.equal(count, 20);
  // Whoever brings an old version is told so at once: for the row as it is, and as it would be.
  meanwhile = () => Promise.resolve(++count);
  const form = (version: string) =>
    app.status('ada', 'PATCH', '/cards/3/form', { text: 'Mine', version });
  assert.equal(await form('1'), 409);
  assert.equal(count, 22);
  assert.equal(await form('2'), 200);
  meanwhile = () => Promise.resolve();
  assert.equal(await app.status('ada', 'DELETE', '/cards/3'), 200);
});

test('what only code may set, and rows that one may not see, are not taken from requests', async () => {
  await using app = await start();
  const [, made] = await app.ask('ada', 'POST', '/notes', { text: 'X', author: 'bob', team_id: 1 });
  assert.equal((made as { author: string }).author, 'ada');
  const [, changed] = await app.ask('ada', 'PATCH', '/notes/1', { author: 'bob' });
  assert.equal((changed as { author: string }).author, 'ada');
  assert.equal(await app.status('ada', 'POST', '/notes/labels', { word: 'a', note_id: 1 }), 201);
  assert.equal(await app.status('eve', 'POST', '/notes/labels', { word: 'a', note_id: 1 }), 422);
});

test('what rules have asked, who see everything, is not what the visitor gets', async () => {
  await using app = await start();
  assert.deepEqual(await app.ask('eve', 'GET', '/notes/teams'), [200, [1, 1]]);
  assert.deepEqual(await app.ask('eve', 'GET', '/notes/teams-later'), [200, [1, 1]]);
});

test('words of the app, and slips', async () => {
  await using app = await start();
  assert.deepEqual(await app.ask('ada', 'POST', '/notes/1/pin'), [200, 'pinned']);
  assert.equal(await app.status('bob', 'POST', '/notes/1/pin'), 403);
  assert.deepEqual(await app.ask('ada', 'GET', '/notes/may/update'), [200, true]);
  assert.deepEqual(await app.ask('bob', 'GET', '/notes/may/pin'), [200, false]);
  assert.deepEqual(await app.ask('ada', 'GET', '/notes/may/delete'), [200, false]);
  assert.equal(await app.status('ada', 'GET', '/notes/may/pim'), 500);
  assert.match(app.reasons.at(-1) ?? '', /policy of note has no rule called "pim"/);
  assert.equal(await app.status('ada', 'GET', '/notes/may/see'), 500);
  assert.match(app.reasons.at(-1) ?? '', /may be seen of note is no yes or no/);
  await assert.rejects(can('update', Label), /There is no policy of label/);
});

test('what cannot be asked row by row, or is kept for others, has to say so', async () => {
  await using app = await start();
  assert.equal(await app.status('ada', 'POST', '/notes/clear'), 500);
  assert.match(app.reasons.at(-1) ?? '', /would delete all that match/);
  assert.equal(await app.status('ada', 'GET', '/notes/popular'), 500);
  assert.match(app.reasons.at(-1) ?? '', /what is cached is for all of them/);
  assert.equal(await app.status('ada', 'GET', '/notes/may-cached'), 500);
  assert.equal(await app.status('ada', 'GET', '/notes/typed'), 500);
  assert.match(app.reasons.at(-1) ?? '', /A typed query of note would show/);
  assert.equal(await withoutPolicies(() => Note.count()), 3);
});

test('a file of policies without one is refused: its rows would be for everybody', () => {
  const none = { controllers: {}, models: {}, jobs: {}, migrations: {}, islands: {} };
  const policies = { note: { rules: { see: () => false } } };
  const modules = { ...none, policies, islandScript: '', publicFolder: '/nowhere' };
  assert.throws(() => collectParts(modules), /app\/policies\/note exports no policy/);
});

test('admin pages have what the policy allows, and nothing else', async () => {
  await using app = await start();
  const page = async (as: string, path: string): Promise<string> =>
    String((await app.ask(as, 'GET', path))[1]);
  assert.match(await page('ada', '/admin/notes'), /Also ours[\s\S]*Ours/);
  assert.doesNotMatch(await page('ada', '/admin/notes'), /Theirs/);
  assert.match(await page('ada', '/admin/notes/1'), /Save/);
  assert.doesNotMatch(await page('ada', '/admin/notes/1'), /Delete/);
  assert.doesNotMatch(await page('bob', '/admin/notes/1'), /Save/);
  assert.equal(await app.status('eve', 'GET', '/admin/notes/1'), 404);
  assert.equal(await app.status('ada', 'DELETE', '/admin/notes/1'), 403);
});
