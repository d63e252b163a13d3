import type { Mail } from 'moln';

interface About {
  readonly to: string;
  readonly link: string;
  readonly minutes: number;
}

export function passwordResetMail({ to, link, minutes }: About): Mail {
  return {
    to,
    subject: 'A new password',
    html: (
      <>
        <p>Somebody, hopefully you, has asked for a new password.</p>
        <p>
          <a href={link}>Choose it here</a>
        </p>
        <p>
          The link works once, within {minutes} minutes. If it was not you, there is nothing to do:
          your password stays as it is.
        </p>
      </>
    ),
  };
}
