/** Sign-up, sign-in and sign-out as source text that belongs to the app from then on. Pure. */

export function authFiles(): Readonly<Record<string, string>> {
  return {
    'app/auth.ts': AUTH,
    'app/models/user.ts': USER,
    'app/controllers/users.ts': USERS,
    'app/controllers/session.ts': SESSION,
    'app/views/auth.tsx': VIEWS,
    'tests/auth.test.ts': TEST,
  };
}

/** The layout with who is signed in, when it still has the place that `moln new` gave it. */
export function withUserNav(layout: string): string | undefined {
  const mark = '{/* navigation */}';
  if (!layout.includes(mark) || layout.includes('UserNav')) return undefined;
  const text = layout.replace(mark, '<UserNav />');
  return text.replace(/\n\n/, "\nimport { UserNav } from './auth.tsx';\n\n");
}

const AUTH = `/** Who is signed in. */
import { type Before, type Context, currentContext, verifyPassword } from 'moln';
import { User } from './models/user.ts';

/** The user of this request, or undefined. */
export async function currentUser(): Promise<User | undefined> {
  const { locals, session } = currentContext();
  if (!('user' in locals)) locals.user = await User.find(session.get('user_id'));
  return locals.user as User | undefined;
}

/** For \`before\` of a controller: \`before: [requireUser]\`. */
export const requireUser: Before = async (c) => {
  if ((await currentUser()) !== undefined) return undefined;
  if (c.wantsJson) return Response.json({ title: 'Sign in first', status: 401 }, { status: 401 });
  if (c.request.method === 'GET') c.session.set('back', c.url.pathname + c.url.search);
  c.flash('Please sign in first', 'error');
  return c.redirect('/session/new');
};

export function signIn(c: Context, user: User): Response {
  const back = c.session.get<string>('back');
  // Whatever was known of the visitor before is forgotten: nobody can have planted it.
  c.session.clear();
  c.session.set('user_id', user.id);
  c.locals.user = user;
  c.flash('You are signed in');
  return c.redirect(back ?? '/');
}

/** The user with that password, or undefined; it takes as long when there is no such user. */
export async function userWith(email: string, password: string): Promise<User | undefined> {
  const user = await User.where({ email: email.toLowerCase() }).first();
  return (await verifyPassword(password, user?.password_digest)) ? user : undefined;
}
`;

const USER = `import { model, type RowOf, shape, string } from 'moln';

export const User = model(
  'user',
  {
    email: string({ format: 'email', unique: true, label: 'E-mail' }),
    password_digest: string({ hidden: true }),
  },
  {
    beforeSave: (values) =>
      values.email === undefined ? values : { ...values, email: values.email.toLowerCase() },
  },
);

export type User = RowOf<typeof User>;

/** What signing up asks for. */
export const SignUp = shape({
  email: string({ format: 'email', label: 'E-mail' }),
  password: string({ format: 'password', min: 10, max: 200 }),
});

/** What signing in asks for. */
export const SignIn = shape({
  email: string({ label: 'E-mail' }),
  password: string({ format: 'password', max: 200 }),
});
`;

const USERS = `import { controller, hashPassword, limitRate } from 'moln';
import { signIn } from '../auth.ts';
import { SignUp, User } from '../models/user.ts';
import { NewUser } from '../views/auth.tsx';

export const users = controller({
  new: () => NewUser(),

  async create(c) {
    await limitRate(\`sign-up \${c.address}\`, { times: 10, seconds: 3600 });
    const given = await SignUp.check(await c.form());
    if (!given.ok) return c.invalid(given, () => NewUser());
    const { email, password } = given.values;
    const made = await User.tryCreate({ email }, { password_digest: await hashPassword(password) });
    if (!made.ok) return c.invalid(made, () => NewUser());
    return signIn(c, made.row);
  },
});
`;

const SESSION = `import { controller, limitRate } from 'moln';
import { signIn, userWith } from '../auth.ts';
import { SignIn } from '../models/user.ts';
import { NewSession } from '../views/auth.tsx';

export const session = controller({
  singular: true,

  new: () => NewSession(),

  async create(c) {
    const given = await SignIn.check(await c.form());
    if (!given.ok) return c.invalid(given, () => NewSession());
    const { email, password } = given.values;
    await limitRate(\`sign-in \${c.address}\`, { times: 20, seconds: 300 });
    await limitRate(\`sign-in \${email.toLowerCase()}\`, { times: 10, seconds: 300 });
    const user = await userWith(email, password);
    if (user !== undefined) return signIn(c, user);
    const errors = { password: ['E-mail and password do not belong together'] };
    return c.invalid({ ok: false, errors, values: { email } }, () => NewSession());
  },

  destroy(c) {
    c.session.clear();
    c.flash('You are signed out');
    return c.done('/');
  },
});
`;

const VIEWS = `import { Button, Form, Input } from 'moln';
import { currentUser } from '../auth.ts';
import { SignIn, SignUp } from '../models/user.ts';
import { Layout } from './layout.tsx';

/** Who is signed in, for the layout. */
export async function UserNav() {
  const user = await currentUser();
  if (user === undefined) {
    return (
      <>
        <a href="/session/new">Sign in</a> <a href="/users/new">Sign up</a>
      </>
    );
  }
  return (
    <>
      <span class="quiet">{user.email}</span>
      <Button action="/session" method="delete">
        Sign out
      </Button>
    </>
  );
}

export function NewUser() {
  return (
    <Layout title="Sign up">
      <h1>Sign up</h1>
      <Form action="/users">
        <Input model={SignUp} name="email" autocomplete="username" />
        <Input model={SignUp} name="password" autocomplete="new-password" />
        <button>Sign up</button>
      </Form>
    </Layout>
  );
}

export function NewSession() {
  return (
    <Layout title="Sign in">
      <h1>Sign in</h1>
      <Form action="/session">
        <Input model={SignIn} name="email" autocomplete="username" />
        <Input model={SignIn} name="password" autocomplete="current-password" />
        <button>Sign in</button>
      </Form>
    </Layout>
  );
}
`;

const TEST = `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApp } from 'moln/test';

const ada = { email: 'Ada@example.org', password: 'correct horse' };

test('one signs up, out and in again', async () => {
  await using app = await testApp();
  const form = await app.get('/users/new');
  const home = await form.submit(ada);
  assert.match(home.text, /You are signed in/);
  assert.match(home.text, /ada@example\\.org/);

  const out = await home.submit({});
  assert.match(out.text, /You are signed out/);

  const again = await (await app.get('/session/new')).submit(ada);
  assert.match(again.text, /You are signed in/);
});

test('a wrong password is refused, and trying is limited', async () => {
  await using app = await testApp();
  await (await app.get('/users/new')).submit(ada);
  const wrong = { email: ada.email, password: 'something else' };
  let page = await (await app.get('/session/new')).submit(wrong);
  assert.equal(page.status, 422);
  for (let times = 0; times < 10; times++) page = await (await app.get('/session/new')).submit(wrong);
  assert.equal(page.status, 429);
});

test('an address signs up once', async () => {
  await using app = await testApp();
  await (await app.get('/users/new')).submit(ada);
  const page = await (await app.get('/users/new')).submit(ada);
  assert.match(page.text, /E-mail is taken already/);
});
`;
