import { belongsTo, datetime, model, type RowOf, shape, string } from 'moln';

/** A password that may be set anew, by who has the token: once, and not for long. */
export const PasswordReset = model('password_reset', {
  user_id: belongsTo('user', { onDelete: 'cascade' }),
  token_digest: string({ hidden: true, unique: true }),
  expires_at: datetime(),
});

export type PasswordReset = RowOf<typeof PasswordReset>;

/** What somebody is asked who has forgotten theirs. */
export const Forgotten = shape({
  email: string({ format: 'email', label: 'E-mail' }),
});

export const NewPassword = shape({
  password: string({ format: 'password', min: 10, max: 200, label: 'New password' }),
});
