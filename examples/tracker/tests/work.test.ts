/** What people do: issues, comments, files, search, the board. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApp } from 'moln/test';
import { Comment } from '../app/models/comment.ts';
import { engineTeam, opened } from './people.ts';

test('an issue is opened, assigned, talked about and done', async () => {
  await using app = await testApp();
  const { ada, bob, team } = await engineTeam(app);
  const page = await opened(ada, team, 'The wheel is <stuck>');
  assert.match(page.text, /The issue was opened[\s\S]*The wheel is &lt;stuck&gt;/);
  assert.match(page.text, /Opened by <span class="who">Ada/);

  const edit = await bob.get(`${page.path}/edit`);
  const bobs = /<option value="(\d+)">Bob/.exec(edit.text)?.[1] ?? '';
  assert.match((await edit.submit({ assignee_id: bobs, state: 'doing' })).text, /In progress/);
  assert.match((await bob.get('/')).text, /Assigned to you[\s\S]*The wheel is/);

  const said = await (await bob.get(page.path)).press('Say it', { body: 'Oil it\n<b>well</b>' });
  assert.match(said.text, /Oil it\n&lt;b&gt;well/);
  assert.match(
    (await (await ada.get(page.path)).press('Say it', { body: '' })).text,
    /Comment is missing/,
  );

  const moved = await (await ada.get(team)).press('Move "The wheel is <stuck>" to Done');
  assert.match(moved.text, /Done <span class="quiet">1[\s\S]*The wheel is/);
  assert.doesNotMatch((await bob.get('/')).text, /The wheel is/);
});

test('a file is attached, shown by its name, and goes with the issue', async () => {
  await using app = await testApp();
  const { ada, bob, team } = await engineTeam(app);
  const page = await opened(ada, team, 'A drawing');
  const file = new File(['lines and circles'], 'drawing ä.txt', { type: 'text/plain' });
  const attached = await page.press('Attach', { file });
  assert.match(attached.text, /drawing ä\.txt was attached/);
  const path = /href="([^"]+\/attachments\/\d+)"/.exec(attached.text)?.[1] ?? '';
  const shown = await bob.get(path);
  assert.equal(shown.text, 'lines and circles');
  assert.match(shown.headers.get('content-disposition') ?? '', /drawing%20%C3%A4\.txt$/);
  const without = await (await ada.get(page.path)).press('Attach');
  assert.match(without.text, /File is missing/);

  assert.match((await attached.press('Delete drawing ä.txt')).text, /The attachment was deleted/);
  assert.equal((await bob.get(path)).status, 404);

  const again = await (await bob.get(page.path)).press('Attach', { file });
  await app.runJobs();
  assert.equal((await again.press('Attach', { file })).status, 200);
  await (await ada.get(page.path)).press('Delete the issue');
  // Each of its files is taken away.
  assert.equal(await app.runJobs(), 2);
});

test('words are found in issues and in comments', async () => {
  await using app = await testApp();
  const { ada, team } = await engineTeam(app);
  const page = await opened(ada, team, 'The pump leaks');
  await opened(ada, team, 'Paint is 100% off');
  await page.press('Say it', { body: 'Tighten the valve' });
  const found = async (q: string) =>
    (await ada.get(`${team}/issues?${new URLSearchParams({ q })}`)).text;
  assert.match(await found('LEAKS pump'), /The pump leaks/);
  assert.doesNotMatch(await found('pump'), /Paint/);
  assert.match(await found('valve'), /There are none[\s\S]*Comments[\s\S]*Tighten the valve/);
  assert.match(await found('100%'), /Paint is 100% off/);
  assert.doesNotMatch(await found('0_'), /Paint/);
  // Deleting the issue takes its comments along.
  await page.press('Delete the issue');
  assert.equal(await Comment.count(), 0);
});

test('two people who edit at the same time: the second one is told, and loses nothing', async () => {
  await using app = await testApp();
  const { ada, bob, team } = await engineTeam(app);
  const { path } = await opened(ada, team, 'Both at once');
  const [first, second] = [await ada.get(`${path}/edit`), await bob.get(`${path}/edit`)];
  assert.match((await first.submit({ title: 'Ada was here' })).text, /The issue was changed/);
  const told = await second.submit({ title: 'Bob was here', body: 'A long text' });
  assert.equal(told.status, 409);
  assert.match(told.text, /value="Bob was here"[\s\S]*Title is &quot;Ada was here&quot; now/);
  assert.match(told.text, /A long text<\/textarea>/);
  assert.match((await bob.get(path)).text, /Ada was here/);
  // Who has seen what is there now may change it.
  assert.match((await told.press('Save')).text, /The issue was changed[\s\S]*Bob was here/);
});

test('the board is the same for clients of JSON', async () => {
  await using app = await testApp();
  const { ada, team } = await engineTeam(app);
  await opened(ada, team, 'One');
  const board = (await (await ada.request(`${team}.json`)).json()) as {
    columns: { state: string; total: number }[];
  };
  assert.deepEqual(
    board.columns.map(({ state, total }) => [state, total]),
    [
      ['open', 1],
      ['doing', 0],
      ['done', 0],
    ],
  );
});
