import { controller, hashPassword, limitRate, withoutPolicies } from 'moln';
import { signIn } from '../auth.ts';
import { SignUp, User } from '../models/user.ts';
import { NewUser } from '../views/auth.tsx';

export const users = controller({
  new: () => NewUser(),

  async create(c) {
    await limitRate(`sign-up ${c.network}`, { times: 10, seconds: 3600 });
    const given = await SignUp.check(await c.form());
    if (!given.ok) return c.invalid(given, () => NewUser());
    const { name, email, password } = given.values;
    const password_digest = await hashPassword(password);
    // Who signs up is no user yet, so no policy can say what they may.
    const made = await withoutPolicies(() => User.tryCreate({ name, email }, { password_digest }));
    if (!made.ok) return c.invalid(made, () => NewUser());
    return signIn(c, made.row);
  },
});
