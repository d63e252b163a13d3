import { controller, digestOf, hashPassword, limitRate, transaction, withoutPolicies } from 'moln';
import { sendPasswordReset } from '../jobs/send_password_reset.ts';
import { Forgotten, NewPassword, PasswordReset } from '../models/password_reset.ts';
import { User } from '../models/user.ts';
import { EditPassword, ForgottenPassword } from '../views/auth.tsx';

export const password = controller({
  singular: true,

  new: () => ForgottenPassword(),

  async create(c) {
    const given = await Forgotten.check(await c.form());
    if (!given.ok) return c.invalid(given, () => ForgottenPassword());
    const { email } = given.values;
    await limitRate(`password ${c.network}`, { times: 20, seconds: 3600 });
    await limitRate(`password ${email.toLowerCase()}`, { times: 5, seconds: 3600 });
    await sendPasswordReset.enqueue({ email, origin: c.origin });
    c.flash('If that address belongs to somebody here, a mail is on its way');
    return c.redirect('/session/new');
  },

  edit: (c) => EditPassword({ token: c.query('token') ?? '' }),

  async update(c) {
    const form = await c.form();
    const token = String(form.token);
    const given = await NewPassword.check(form);
    if (!given.ok) return c.invalid(given, () => EditPassword({ token }));
    const password_digest = await hashPassword(given.values.password);
    // Who has the link is no user yet, so no policy can say what they may.
    const isDone = await withoutPolicies(() => setAnew(token, password_digest));
    c.flash(...outcome(isDone));
    return c.redirect(isDone ? '/session/new' : '/password/new');
  },
});

function outcome(isDone: boolean): [text: string, kind: 'notice' | 'error'] {
  if (isDone) return ['Your password is changed: sign in with it', 'notice'];
  return ['This link is too old, or was used already: ask for a new one', 'error'];
}

/** False when the link is over. */
async function setAnew(token: string, password_digest: string): Promise<boolean> {
  return await transaction(async () => {
    const valid = PasswordReset.where({
      token_digest: digestOf(token),
      expires_at: { gt: new Date() },
    });
    const reset = await valid.first();
    // Deleted by whoever is first: a link works once.
    if (reset === undefined || (await valid.delete()) === 0) return false;
    await User.update(reset.user_id, { password_digest });
    return true;
  });
}
