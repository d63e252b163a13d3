/** Carries mail over SMTP, as `MAIL_URL` says. The only file that knows the mail library. */
import { createTransport } from 'nodemailer';
import { MolnError } from '../base/errors.ts';
import type { MailCarrier, ReadyMail } from './mail.ts';

/** A mail server that is silent for so long is away. */
const SILENT_MS = 20_000;
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/;

export interface MailSettings {
  /** `smtp://USER:PASSWORD@HOST:587` (TLS by STARTTLS), `smtps://…:465`; without one nothing is sent. */
  readonly url: string | undefined;
  /** Who mails are from, unless they say. */
  readonly from: string | undefined;
}

/** Throws `WEB_MAIL_URL` for a URL that cannot be one; that none is set is told when a mail is to be sent. */
export function smtpCarrier({ url, from }: MailSettings): MailCarrier {
  if (url === undefined || url === '') return { carry: () => Promise.reject(notSet('MAIL_URL')) };
  const server = URL.canParse(url) ? new URL(url) : undefined;
  if (server === undefined || !/^smtps?:$/.test(server.protocol) || server.hostname === '')
    throw new MolnError('WEB_MAIL_URL', 'MAIL_URL is no address of a mail server', { hint: HINT });
  const user = decodeURIComponent(server.username);
  const transport = createTransport({
    host: server.hostname.replace(/^\[|\]$/g, ''),
    port: Number(server.port) || (server.protocol === 'smtps:' ? 465 : 587),
    secure: server.protocol === 'smtps:',
    // A password, and what people write to each other, goes over no network unencrypted.
    requireTLS: !LOOPBACK.test(server.hostname),
    ...(user === '' ? {} : { auth: { user, pass: decodeURIComponent(server.password) } }),
    connectionTimeout: SILENT_MS,
    greetingTimeout: SILENT_MS,
    socketTimeout: SILENT_MS,
  });
  return {
    carry: async (mail) => {
      const sender = mail.from ?? from ?? (user.includes('@') ? user : undefined);
      if (sender === undefined || sender === '') throw notSet('MAIL_FROM');
      const { rejected } = await transport.sendMail(message(mail, sender));
      return rejected;
    },
  };
}

/** The mail as it goes over the wire (RFC 5322). */
export async function mailSource(mail: ReadyMail): Promise<string> {
  const writer = createTransport({ streamTransport: true, buffer: true });
  const sent = await writer.sendMail(message(mail, mail.from ?? 'app@localhost'));
  return (sent.message as Buffer).toString();
}

function message({ left, ...mail }: ReadyMail, from: string) {
  const domain = /@([^\s>]+)/.exec(from)?.[1] ?? 'localhost';
  return {
    ...mail,
    to: [...mail.to],
    from,
    ...(left === undefined ? {} : { envelope: { from, to: [...left] } }),
    messageId: `<${mail.id}@${domain}>`,
    // Nothing of a mail names files or addresses to be read on the way.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

const HINT =
  'Set it: moln app NAME env MAIL_URL=smtp://USER:PASSWORD@HOST:587 MAIL_FROM=blog@example.org';

function notSet(name: string): MolnError {
  return new MolnError('WEB_MAIL_URL', `This app sends mail, but ${name} is not set`, {
    hint: HINT,
  });
}
