import { job, newToken, sendMail, transaction } from 'moln';
import { passwordResetMail } from '../mails/password_reset.tsx';
import { PasswordReset } from '../models/password_reset.ts';
import { User } from '../models/user.ts';

const MINUTES = 60;

interface Asked {
  readonly email: string;
  readonly origin: string;
}

/** In a job, so that asking takes as long and answers the same whether there is such a user or not. */
export const sendPasswordReset = job('send_password_reset', async ({ email, origin }: Asked) => {
  const user = await User.where({ email: email.toLowerCase() }).first();
  if (user === undefined) return;
  const { token, digest } = newToken();
  const expires_at = new Date(Date.now() + MINUTES * 60_000);
  await transaction(async () => {
    await PasswordReset.where({ user_id: user.id }).delete();
    await PasswordReset.create({ user_id: user.id, token_digest: digest, expires_at });
    const link = `${origin}/password/edit?token=${token}`;
    await sendMail(passwordResetMail({ to: user.email, link, minutes: MINUTES }));
  });
});
