/** Who may do what: everything that a stranger could try is as if it were not there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApp } from 'moln/test';
import { Issue } from '../app/models/issue.ts';
import { engineTeam, opened, signedUp } from './people.ts';

test('a stranger finds nothing of a team', async () => {
  await using app = await testApp();
  const { ada, eve, team } = await engineTeam(app);
  const { path } = await opened(ada, team, 'Ours alone');
  await (await ada.get(path)).press('Say it', { body: 'Secret' });
  await (await ada.get(path)).press('Attach', { file: new File(['x'], 'x.txt') });
  const file = `${path}/attachments/1`;
  for (const each of [
    team,
    `${team}/issues`,
    `${team}/members`,
    `${team}/edit`,
    path,
    `${path}/edit`,
    file,
  ])
    assert.equal((await eve.get(each)).status, 404, each);
  assert.doesNotMatch((await eve.get('/')).text, /Engine/);

  // With a token that is good, and paths that are somebody else's.
  const form = await eve.get('/teams/new');
  const _csrf = /name="_csrf" value="([^"]+)"/.exec(form.text)?.[1] ?? '';
  const post = async (to: string, fields: Record<string, string>) =>
    (await eve.send(to, { method: 'POST', hasFiles: false }, { _csrf, ...fields })).status;
  assert.equal(await post(`${path}/comments`, { body: 'Me too' }), 404);
  assert.equal(await post(`${path}/move`, { state: 'done' }), 404);
  assert.equal(await post(path, { _method: 'delete' }), 404);
  assert.equal(await post(`${team}/members`, { email: 'eve@example.org' }), 404);
  assert.equal(await post(`${team}/issues`, { title: 'Mine' }), 404);
  assert.deepEqual(
    (await Issue.all()).map(({ title, state }) => [title, state]),
    [['Ours alone', 'open']],
  );
});

test('members work, owners decide who is one', async () => {
  await using app = await testApp();
  const { ada, bob, eve, team } = await engineTeam(app);
  const { path } = await opened(ada, team, 'Of Ada');
  // Neither are there buttons for it, nor does it work without them.
  assert.doesNotMatch((await bob.get(path)).text, /Delete the issue/);
  const list = await bob.get(`${team}/members`);
  assert.doesNotMatch(list.text, /E-mail of the new member|Remove Ada/);
  assert.equal((await bob.get(`${team}/edit`)).status, 403);
  const token = /name="_csrf" value="([^"]+)"/.exec(list.text)?.[1] ?? '';
  const tried = async (to: string, fields: Record<string, string>) =>
    (await bob.send(to, { method: 'POST', hasFiles: false }, { _csrf: token, ...fields })).status;
  assert.equal(await tried(path, { _method: 'delete' }), 403);
  assert.equal(await tried(`${team}/members`, { email: 'eve@example.org' }), 403);
  assert.equal(await tried(team, { _method: 'patch', name: 'Bobs' }), 403);
  assert.equal(await tried(`${team}/members/1`, { _method: 'delete' }), 403);

  // Nobody is assigned who is not in a team with the one who does it; nobody is made the author.
  await tried(path, { _method: 'patch', assignee_id: '3', author_id: '2', team_id: '9' });
  assert.deepEqual(
    (await Issue.all()).map((issue) => [issue.assignee_id, issue.author_id]),
    [[null, 1]],
  );

  const left = await list.press('Remove Bob');
  assert.match(left.text, /You have left the team/);
  assert.equal((await bob.get(path)).status, 404);
  const added = await (await ada.get(`${team}/members`)).press('Add', { email: 'Eve@example.org' });
  assert.match(added.text, /Eve is in the team now/);
  assert.equal((await eve.get(path)).status, 200);
  assert.match(
    (await added.press('Add', { email: 'eve@example.org' })).text,
    /is in this team already/,
  );
  assert.match(
    (await added.press('Add', { email: 'no@example.org' })).text,
    /Nobody has signed up/,
  );
});

test('who is not signed in is asked to, and comes back', async () => {
  await using app = await testApp();
  const { ada, team } = await engineTeam(app);
  await opened(ada, team, 'One');
  const visitor = app.visitor();
  const asked = await visitor.get(team);
  assert.match(asked.text, /Please sign in first/);
  const back = await asked.submit({ email: 'ADA@example.org', password: 'correct horse' });
  assert.equal(back.path, team);
  assert.match((await back.press('Sign out')).text, /You are signed out/);
  const wrong = await (
    await visitor.get('/session/new')
  ).submit({ email: 'ada@example.org', password: 'no' });
  assert.match(wrong.text, /do not belong together/);
  assert.equal(
    (await (await signedUp(app.visitor(), 'Ada')).get('/teams/new')).path,
    '/session/new',
  );
});

test('a forgotten password is set anew by a mail', async () => {
  await using app = await testApp();
  await signedUp(app, 'Ada');
  await (await app.get('/password/new')).submit({ email: 'ada@example.org' });
  await app.runJobs();
  const link = /\/password\/edit\?token=[\w-]+/.exec(app.mails[0]?.text ?? '')?.[0] ?? '';
  const changed = await (await app.get(link)).submit({ password: 'battery staple' });
  const signedIn = await changed.submit({ email: 'ada@example.org', password: 'battery staple' });
  assert.match(signedIn.text, /You are signed in/);
});
