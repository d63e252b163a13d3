import assert from 'node:assert/strict';
import { test } from 'node:test';
import { belongsTo, boolean, datetime, file, string, text } from '../web/web.ts';
import { policyFiles } from './policy-files.ts';

const POLICY = 'app/policies/post.ts';
const TEST = 'tests/post_policy.test.ts';
const title = string({ unique: true });

test('a row of a user is changed by that user; where no field says whose it is, the file says who may', () => {
  const own = policyFiles('post', { title, author_id: belongsTo('user') }, false)[POLICY] ?? '';
  for (const rule of ['create', 'update', 'delete'])
    assert.ok(own.includes(`${rule}: ({ author_id }) => isMe(author_id),`), own);
  const shared = policyFiles('post', { title, team_id: belongsTo('team') }, false)[POLICY] ?? '';
  assert.match(shared, /whoever is signed in may change all/);
  assert.match(shared, /delete: \(\) => false/);
  const users = policyFiles('user', { title }, true);
  assert.deepEqual(Object.keys(users), ['app/policies/user.ts']);
  assert.match(users['app/policies/user.ts'] ?? '', /update: async \(\{ id \}\).*=== id/);
});

test('a test comes with it where there are pages to ask, and values that are surely right', () => {
  const user_id = belongsTo('user');
  const cases: readonly (readonly [fields: Parameters<typeof policyFiles>[1], row?: string])[] = [
    [{ title, user_id }, "title: 'Some words', user_id: ada.id"],
    [{ body: text(), at: datetime(), user_id }, 'at: new Date('],
    [{ published: boolean(), photo: file({ optional: true }), user_id }, '{ user_id: ada.id }'],
    [{ title: string({ min: 30 }), user_id }],
    [{ title: string({ max: 3 }), user_id }],
    [{ title: string({ oneOf: ['a', 'b'] }), user_id }],
    [{ team_id: belongsTo('team'), user_id }],
    [{ photo: file(), user_id }],
  ];
  for (const [fields, row] of cases) {
    const found = policyFiles('post', fields, true)[TEST];
    assert.equal(found !== undefined, row !== undefined, JSON.stringify(fields));
    assert.ok(found === undefined || found.includes(row ?? ''), found);
  }
  assert.equal(policyFiles('post', { title, user_id }, false)[TEST], undefined);
});
