/**
 * Mail that an app sends. `sendMail` puts it into the app's database as a job: it is sent when the transaction that it belongs to is,
 * by whichever instance takes it, and tried again while the mail server is away. Who carries it is a matter of the process:
 * SMTP where the app is deployed, a folder in `moln dev`, a list in tests.
 */
import { MolnError } from '../base/errors.ts';
import { unescapeHtml } from '../base/html.ts';
import { randomId } from '../base/ids.ts';
import { job, type Job } from './jobs.ts';
import { type JSX, renderText } from './jsx-runtime.ts';

/** Of the whole mail: it waits in the database. */
const MAIL_CHARACTERS_MAX = 500_000;
/** Some ten hours, with the pauses of jobs. */
const ATTEMPTS = 20;
const RECIPIENTS_MAX = 50;
/** Before those are tried again whom the mail server has refused, while it took others. */
const PAUSE_SECONDS = 5;
/** One, of the kind that people have: what separates or comments addresses in RFC 5322 is in none. */
const ADDRESS = /^[^\s@<>",;:()]+@[^\s@<>",;:()]+$/;

export interface Mail {
  readonly to: string | readonly string[];
  readonly subject: string;
  readonly html?: JSX.Element;
  /** Default: what `html` says, without its tags. */
  readonly text?: string;
  /** Default: `MAIL_FROM`. */
  readonly from?: string;
  readonly replyTo?: string;
}

/** As it waits in the database, and as it is carried. */
export interface ReadyMail {
  /** The same at every attempt: mail servers drop what they have had. */
  readonly id: string;
  readonly to: readonly string[];
  /** Those who do not have it yet, when that is not all of them. */
  readonly left?: readonly string[] | undefined;
  readonly subject: string;
  readonly text: string;
  readonly html?: string | undefined;
  readonly from?: string | undefined;
  readonly replyTo?: string | undefined;
}

export interface MailCarrier {
  /** Resolves when somebody else is responsible for it, with those of its recipients for whom nobody is; rejects when that is all of them. */
  carry(mail: ReadyMail): Promise<readonly string[]>;
}

let current: MailCarrier | undefined;

/** Who carries the mail of this process. */
export function useMail(carrier: MailCarrier): void {
  current = carrier;
}

/** The framework's own job, in every app. */
export const DELIVER_MAIL: Job<ReadyMail> = job('moln_mail', deliver, { attempts: ATTEMPTS });

async function deliver(mail: ReadyMail): Promise<void> {
  if (current === undefined) throw new MolnError('WEB_MAIL_URL', 'Nobody carries mail here');
  const left = await current.carry(mail);
  // Whoever has it is not to get it again.
  if (left.length > 0)
    await DELIVER_MAIL.enqueue({ ...mail, left }, { delaySeconds: PAUSE_SECONDS });
}

/**
 * Sends a mail, soon. In a transaction it belongs to that. Throws `WEB_BAD_MAIL`.
 *
 *     await sendMail({ to: user.email, subject: 'Welcome', html: <p>Hello {user.name}</p> });
 */
export async function sendMail(mail: Mail): Promise<void> {
  const to = typeof mail.to === 'string' ? [mail.to] : [...mail.to];
  const wrong = to.find((address) => !ADDRESS.test(address));
  if (wrong !== undefined) throw badMail(`"${wrong}" is no address for mail`);
  if (to.length === 0 || to.length > RECIPIENTS_MAX)
    throw badMail(`A mail goes to 1 to ${RECIPIENTS_MAX} addresses, not ${to.length}`);
  const html = mail.html === undefined ? undefined : await renderText(mail.html);
  const text = mail.text ?? (html === undefined ? '' : textOf(html));
  const { subject, from, replyTo } = mail;
  const ready: ReadyMail = { id: randomId(20), to, subject, text, html, from, replyTo };
  const characters = JSON.stringify(ready).length;
  if (characters > MAIL_CHARACTERS_MAX)
    throw badMail(`The mail has ${characters} characters, at most ${MAIL_CHARACTERS_MAX} are sent`);
  await DELIVER_MAIL.enqueue(ready);
}

function badMail(message: string): MolnError {
  return new MolnError('WEB_BAD_MAIL', message);
}

/** What a page says, for programs that show no HTML: links with their addresses, one line for each block. */
export function textOf(html: string): string {
  const text = html
    .replace(/<(style|script|title)\b[\s\S]*?<\/\1>/gi, '')
    .replace(/<a\b[^>]*\bhref="([^"]*)"[^>]*>([\s\S]*?)<\/a>/gi, '$2 ($1)')
    .replace(/<br\b[^>]*>|<\/(?:p|h\d|li|div|tr|ul|ol|table|blockquote)>/gi, '\n')
    .replace(/<[^>]*>/g, '');
  const lines = unescapeHtml(text).split('\n');
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n\n');
}
