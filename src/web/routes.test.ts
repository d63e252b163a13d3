import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { type Controller, routesOf, RouteTable } from './routes.ts';

const act = (): string => 'done';
const all: Controller = {
  index: act,
  show: act,
  new: act,
  create: act,
  edit: act,
  update: act,
  destroy: act,
};

function table(controllers: Readonly<Record<string, Controller>>): (line: string) => string {
  const routes = new RouteTable(routesOf(controllers));
  return (line) => {
    const [method = '', path = ''] = line.split(' ');
    const found = routes.find(method, path);
    return found === undefined ? 'none' : `${found.route.name} ${JSON.stringify(found.params)}`;
  };
}

test('names of files and actions are routes', () => {
  const find = table({
    home: { index: act },
    posts: { ...all, 'POST /:id/publish': act },
    'posts/comments': all,
    session: { singular: true, new: act, create: act, destroy: act },
    'admin/blog_posts': { index: act },
  });
  for (const [line, wanted] of [
    ['GET /', 'home#index {}'],
    ['GET /posts', 'posts#index {}'],
    ['GET /posts/', 'posts#index {}'],
    ['GET /posts/new', 'posts#new {}'],
    ['GET /posts/7', 'posts#show {"id":"7"}'],
    ['PUT /posts/7', 'posts#update {"id":"7"}'],
    ['DELETE /posts/a%2Fb', 'posts#destroy {"id":"a/b"}'],
    ['DELETE /posts/%zz', 'none'],
    ['POST /posts/7/publish', 'posts#POST /:id/publish {"id":"7"}'],
    ['GET /posts/7/comments/new', 'posts/comments#new {"post_id":"7"}'],
    ['DELETE /session', 'session#destroy {}'],
    ['GET /session/7', 'none'],
    ['GET /admin/blog-posts', 'admin/blog_posts#index {}'],
    ['DELETE /', 'none'],
  ] as const) {
    assert.equal(find(line), wanted, line);
  }
  assert.deepEqual(new RouteTable(routesOf({ posts: all })).allowed('/posts/7'), [
    'GET',
    'PATCH',
    'PUT',
    'DELETE',
  ]);
});

test('what clashes and what is no action is told', () => {
  const clash = { posts: { show: act }, articles: { path: '/posts', show: act } };
  assert.throws(
    () => routesOf(clash),
    (error) => isMolnError(error, 'WEB_ROUTE_CLASH'),
  );
  const mistyped = { posts: { shwo: act } as Controller };
  assert.throws(() => routesOf(mistyped), /"shwo" in app\/controllers\/posts is no action/);
});
