import { controller, limitRate } from 'moln';
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
    await limitRate(`sign-in ${c.network}`, { times: 20, seconds: 300 });
    await limitRate(`sign-in ${email.toLowerCase()}`, { times: 10, seconds: 300 });
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
