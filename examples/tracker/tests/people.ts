/** People who use the tracker in tests. */
import type { TestApp, TestPage, TestVisitor } from 'moln/test';

/** A visitor who has signed up; `app` itself is the first one. */
export async function signedUp(visitor: TestVisitor, name: string): Promise<TestVisitor> {
  const form = await visitor.get('/users/new');
  await form.submit({ name, email: emailOf(name), password: 'correct horse' });
  return visitor;
}

export function emailOf(name: string): string {
  return `${name.toLowerCase()}@example.org`;
}

/** Ada's team "Engine" with Bob, and Eve, who is not in it. */
export async function engineTeam(app: TestApp) {
  const ada = await signedUp(app, 'Ada');
  const bob = await signedUp(app.visitor(), 'Bob');
  const eve = await signedUp(app.visitor(), 'Eve');
  const board = await (await ada.get('/teams/new')).submit({ name: 'Engine' });
  await (await ada.get(`${board.path}/members`)).submit({ email: emailOf('Bob') });
  return { ada, bob, eve, team: board.path };
}

/** Gives the page. */
export async function opened(visitor: TestVisitor, team: string, title: string): Promise<TestPage> {
  const form = await visitor.get(`${team}/issues/new`);
  return await form.submit({ title, body: 'It does not turn' });
}
