/** Who is signed in. */
import {
  type Before,
  type Context,
  currentContext,
  digestOf,
  oncePerRequest,
  verifyPassword,
  withoutPolicies,
} from 'moln';
import { User } from './models/user.ts';

const foundUser = oncePerRequest(async (): Promise<User | undefined> => {
  const { session } = currentContext();
  const user = await User.find(session.get('user_id'));
  // A new password ends the sessions that began with the old one.
  return user !== undefined && session.get('password') === markOf(user) ? user : undefined;
});

/** The user of this request, or undefined. Who it is has to be known before any policy can say what they may. */
export async function currentUser(): Promise<User | undefined> {
  return await withoutPolicies(foundUser);
}

/** The user, in actions behind `requireUser`. */
export async function theUser(): Promise<User> {
  const user = await currentUser();
  if (user === undefined) throw new Error('This action wants "before: [requireUser]"');
  return user;
}

/** For `before` of a controller: `before: [requireUser]`. */
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
  c.session.set('password', markOf(user));
  c.flash('You are signed in');
  return c.redirect(back ?? '/');
}

/** Another one when the password is another one. */
function markOf(user: User): string {
  return digestOf(user.password_digest).slice(0, 16);
}

/** The user with that password, or undefined; it takes as long when there is no such user. */
export async function userWith(email: string, password: string): Promise<User | undefined> {
  const user = await withoutPolicies(() => User.where({ email: email.toLowerCase() }).first());
  return (await verifyPassword(password, user?.password_digest)) ? user : undefined;
}
