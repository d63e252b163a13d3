import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import {
  belongsTo,
  boolean,
  integer,
  type Model,
  model,
  readMigration,
  string,
  text,
} from '../web/web.ts';
import { migrationText, refuseLoss } from './migrations.ts';
import { migratedSchema, schemaChange, type SchemaChange, wantedSchema } from './schema.ts';

/** Goes from one list of models to the next, by files as they would be written. */
class Way {
  #files: { readonly name: string; readonly text: string }[] = [];

  to(...models: readonly { readonly table: string }[]): SchemaChange | undefined {
    const list = models as unknown as readonly Model[];
    const change = schemaChange(this.#schema(), wantedSchema(list));
    if (change === undefined) return undefined;
    const before = JSON.stringify(
      [...this.#schema()].map(([name, table]) => [name, [...table.columns.keys()].sort()]),
    );
    this.#files.push({ name: `00${this.#files.length}`, text: migrationText(change) });
    assert.equal(
      schemaChange(this.#schema(), wantedSchema(list)),
      undefined,
      'the file makes what the models want',
    );
    const back = [...this.#files, { name: '999', text: change.down.join('\n') }];
    const after = migratedSchema(back.map(({ name, text: sql }) => readMigration(name, sql)));
    assert.equal(
      JSON.stringify([...after].map(([name, table]) => [name, [...table.columns.keys()].sort()])),
      before,
      'and back',
    );
    return change;
  }

  #schema(): ReturnType<typeof migratedSchema> {
    return migratedSchema(this.#files.map(({ name, text: sql }) => readMigration(name, sql)));
  }
}

test('models become tables, and changes of models become changes of tables', () => {
  const way = new Way();
  const user = model('user', { email: string({ unique: true }) });
  const first = way.to(user, model('post', { title: string(), published: boolean() }));
  assert.equal(first?.name, 'create_users');
  assert.equal(way.to(user, model('post', { title: string(), published: boolean() })), undefined);
  const more = way.to(
    user,
    model('post', {
      title: string({ index: true }),
      published: boolean(),
      likes: integer({ default: 7 }),
      user_id: belongsTo('user', { optional: true }),
    }),
  );
  assert.deepEqual(more?.loses, []);
  assert.match(
    more?.up.join('\n') ?? '',
    /ADD COLUMN "user_id" INTEGER REFERENCES "users" \("id"\)/,
  );
  const looser = way.to(
    user,
    model('post', {
      title: string({ index: true, optional: true }),
      published: boolean(),
      likes: integer(),
      user_id: belongsTo('user', { optional: true }),
    }),
  );
  assert.deepEqual(looser?.loses, []);
  const distributed = way.to(
    user,
    model('post', {
      title: string({ optional: true }),
      published: boolean(),
      likes: integer(),
      user_id: belongsTo('user', { optional: true }),
    }),
    model('note', { text: text() }, { distribute: { by: 'text' } }),
  );
  assert.match(distributed?.up.join('\n') ?? '', /\/\* moln: distribute by text \*\//);
});

test('what would lose data, or cannot be, is refused by name', () => {
  const way = new Way();
  way.to(model('post', { title: string(), body: text() }));
  const change = way.to(model('post', { title: string() }));
  assert.deepEqual(change?.loses, ['column body of posts']);
  assert.ok(change);
  assert.throws(
    () => refuseLoss(change, false),
    (error) => isMolnError(error, 'WORKBENCH_LOSES_DATA'),
  );
  refuseLoss(change, true);
  const need = (): unknown => way.to(model('post', { title: string(), slug: string() }));
  assert.throws(need, (error) => isMolnError(error, 'WORKBENCH_CANNOT_MIGRATE'));
  const nobody = (): unknown =>
    way.to(model('post', { title: string(), user_id: belongsTo('user') }));
  assert.throws(nobody, (error) => isMolnError(error, 'WORKBENCH_NO_MODEL'));
});

test('a reference that must be there changes in a table with rows, and back', () => {
  const team = model('team', { name: string() });
  const before = [team, model('player', { team_id: belongsTo('team') })];
  const after = [team, model('player', { team_id: belongsTo('team', { onDelete: 'cascade' }) })];
  const list = (models: readonly unknown[]): readonly Model[] => models as readonly Model[];
  using file = new DatabaseSync(':memory:');
  const first = schemaChange(new Map(), wantedSchema(list(before)));
  file.exec(first?.up.join('\n') ?? '');
  file.exec(
    `INSERT INTO teams VALUES (7, 'A', '', ''); INSERT INTO players VALUES (1, 7, '', '');`,
  );
  const change = schemaChange(wantedSchema(list(before)), wantedSchema(list(after)));
  assert.equal(change?.name, 'change_team_id_of_players');
  assert.deepEqual(change.loses, []);
  const players = (): unknown => ({ ...file.prepare('SELECT id, team_id FROM players').get() });
  const needsTeam = (): void =>
    assert.throws(() => file.exec(`INSERT INTO players VALUES (2, '', '', NULL)`), /NOT NULL/);
  file.exec(change.up.join('\n'));
  assert.deepEqual(players(), { id: 1, team_id: 7 });
  needsTeam();
  file.exec(change.down.join('\n'));
  assert.deepEqual(players(), { id: 1, team_id: 7 });
  needsTeam();
  assert.throws(() => file.exec('DELETE FROM teams'), /FOREIGN KEY/);
  file.exec(change.up.join('\n'));
  file.exec('DELETE FROM teams');
  assert.deepEqual(players(), {});
});

test('a reference with a default comes to a table with rows, changes there, and goes', () => {
  const team = model('team', { name: string() });
  const link = (more: Parameters<typeof belongsTo>[1]) => ({
    team_id: belongsTo('team', { default: 7, ...more }),
  });
  const steps = [
    [team, model('player', { name: string() })],
    [team, model('player', { name: string(), ...link({ optional: true }) })],
    [team, model('player', { name: string(), ...link({}) })],
    [team, model('player', { name: string(), ...link({ onDelete: 'cascade' }) })],
    [team, model('player', { name: string() })],
  ] as unknown as readonly (readonly Model[])[];
  using file = new DatabaseSync(':memory:');
  const way = new Way();
  const players = (): unknown =>
    file
      .prepare('SELECT * FROM players ORDER BY id')
      .all()
      .map((row) => row['team_id']);
  const seen = steps.map((models, at) => {
    const change = way.to(...models);
    assert.ok(change);
    file.exec(change.up.join('\n'));
    // Back and there again, over rows.
    if (at > 0) {
      file.exec(change.down.join('\n'));
      file.exec(change.up.join('\n'));
    } else {
      file.exec(`INSERT INTO teams (id, name, created_at, updated_at) VALUES (7, 'A', '', '');
        INSERT INTO players (id, name, created_at, updated_at) VALUES (1, 'x', '', ''), (2, 'y', '', '')`);
    }
    assert.equal(way.to(...models), undefined, 'nothing is left to change');
    return players();
  });
  const none = [undefined, undefined];
  assert.deepEqual(seen, [none, [7, 7], [7, 7], [7, 7], none]);
});
