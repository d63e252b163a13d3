/** `moln certificate`: those of public hosts, ordered or of your own. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { CertificateList, CertificateRow, ChallengeKind } from '../../api/api.ts';
import { messageOf } from '../../base/errors.ts';
import { isoTime } from '../../base/time.ts';
import type { CommandSpec, Context, Input } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import type { Words } from '../words.ts';

const HOST = { name: 'HOST', description: 'as in shop.example.org', required: true };

const LIST: CommandSpec = {
  name: 'list',
  summary: 'List certificates, public hosts without one, and what to watch.',
  examples: [['moln certificate list', 'the worst first, in words']],
  run: async (context) => {
    const found = await context.client().certificates();
    if (context.json) context.words.json(found);
    else printList(context.words, found);
    return EXIT.ok;
  },
};

const SHOW: CommandSpec = {
  name: 'show',
  summary: 'Show one certificate.',
  arguments: [HOST],
  run: async (context, input) => {
    const row = await context.client().certificate(input.argument('HOST') ?? '');
    if (context.json) context.words.json(row);
    else printOne(context.words, row);
    return EXIT.ok;
  },
};

const ADD: CommandSpec = {
  name: 'add',
  summary: 'Add or replace a certificate of your own; all gateways use it at once.',
  arguments: [HOST],
  options: [
    { flags: '--cert <FILE>', description: 'PEM: its own one first, then those up to its root' },
    { flags: '--key <FILE>', description: 'PEM, not encrypted' },
  ],
  examples: [['moln certificate add shop.example.org --cert shop.pem --key shop.key', '']],
  run: async (context, input) => {
    const host = input.argument('HOST') ?? '';
    const [cert, key] = ['cert', 'key'].map((name) => fileIn(context, input, name));
    if (cert === undefined || key === undefined) {
      throw usageError('Certificate and key are both needed', 'Add --cert FILE --key FILE');
    }
    const row = await context.client().addCertificate(host, { cert, key });
    if (context.json) context.words.json(row);
    else printOne(context.words, row);
    return EXIT.ok;
  },
};

const REMOVE: CommandSpec = {
  name: 'remove',
  summary: 'Remove a certificate.',
  arguments: [HOST],
  run: (context, input) =>
    done(context, `Removed ${input.argument('HOST')}`, (client) =>
      client.removeCertificate(input.argument('HOST') ?? ''),
    ),
};

const ORDER: CommandSpec = {
  name: 'order',
  summary: 'Order a certificate now, whatever failed before.',
  arguments: [HOST],
  run: (context, input) => {
    const host = input.argument('HOST') ?? '';
    const said = `${host} is being ordered; "moln certificate show ${host}" says how far it is`;
    return done(context, said, (client) => client.orderCertificate(host));
  },
};

const ACME: CommandSpec = {
  name: 'acme',
  summary: 'Order and renew certificates for all public hosts of apps and routes.',
  options: [
    { flags: '--email <ADDRESS>', description: 'whom the authority writes to' },
    { flags: '--terms-agreed', description: 'you agree to the terms of the authority' },
    { flags: '--directory <URL>', description: "of another authority than Let's Encrypt" },
    { flags: '--directory-ca <FILE>', description: 'PEM: who signed the certificate of that URL' },
    { flags: '--challenge <KIND>', description: 'http-01, tls-alpn-01 or dns-01 alone' },
    { flags: '--dns-hook <PROGRAM>', description: 'gets "set NAME VALUE" and "clear NAME VALUE"' },
    { flags: '--off', description: 'order none any more; those that there are stay' },
  ],
  examples: [
    ['moln certificate acme --email me@example.org --terms-agreed', "from Let's Encrypt"],
    ['moln certificate acme --off', ''],
  ],
  run: async (context, input) => {
    if (input.flag('off')) {
      return done(context, 'No certificates are ordered any more', (client) => client.unsetAcme());
    }
    const email = input.text('email');
    if (email === undefined) {
      throw usageError('The authority wants to know whom to write to', 'Add --email ADDRESS');
    }
    const optional = {
      directory: input.text('directory'),
      directoryCa: fileIn(context, input, 'directory-ca'),
      challenge: input.text('challenge') as ChallengeKind | undefined,
      dnsHook: input.text('dns-hook'),
    };
    await context.client().setAcme({
      email,
      termsAgreed: input.flag('terms-agreed'),
      ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
    });
    return settings(context);
  },
};

const SETTINGS: CommandSpec = {
  name: 'settings',
  summary: 'Show where certificates are ordered.',
  run: (context) => settings(context),
};

export const CERTIFICATE: CommandSpec = {
  name: 'certificate',
  summary: 'Show certificates, order them by ACME, add your own.',
  examples: [
    ['moln certificate list', ''],
    ['moln certificate acme --email me@example.org --terms-agreed', 'switches ordering on'],
    ['moln certificate add shop.example.org --cert shop.pem --key shop.key', ''],
  ],
  commands: [LIST, SHOW, ADD, REMOVE, ORDER, ACME, SETTINGS],
};

async function settings(context: Context): Promise<number> {
  const { acme, sentence } = await context.client().certificates();
  const { words } = context;
  if (context.json) {
    words.json({ acme: acme ?? null });
    return EXIT.ok;
  }
  words.line(sentence);
  if (acme === undefined) return EXIT.ok;
  const row = (label: string, value: string): void =>
    words.line(`  ${words.style('dim', label.padEnd(10))} ${value}`);
  row('Email', acme.email);
  row('Directory', acme.directory);
  row('Challenge', acme.challenge ?? 'http-01, then tls-alpn-01; wildcards dns-01');
  row('DNS hook', acme.dnsHook ?? 'none, so no wildcards');
  return EXIT.ok;
}

async function done(
  context: Context,
  said: string,
  work: (client: ReturnType<Context['client']>) => Promise<void>,
): Promise<number> {
  await work(context.client());
  if (context.json) context.words.json({});
  else context.words.line(said);
  return EXIT.ok;
}

function fileIn(context: Context, input: Input, option: string): string | undefined {
  const path = input.text(option);
  if (path === undefined) return undefined;
  try {
    return readFileSync(resolve(context.io.cwd, path), 'utf8');
  } catch (error) {
    throw usageError(
      `--${option} cannot be read: ${messageOf(error)}`,
      'Name a file that you may read',
    );
  }
}

function printList(words: Words, { sentence, certificates, warnings }: CertificateList): void {
  words.line(words.style('bold', sentence));
  if (certificates.length > 0) {
    words.line();
    words.table(
      ['HOST', 'STATE', 'FROM', 'UNTIL', 'RENEWED'],
      certificates.map(({ host, state, source, issuer, notAfter, renewsAt }) => [
        host,
        state,
        issuer === undefined ? source : `${issuer} (${source})`,
        notAfter === undefined ? '-' : isoTime(notAfter),
        renewsAt === undefined ? '-' : isoTime(renewsAt),
      ]),
    );
  }
  if (warnings.length > 0) words.line();
  for (const { text } of warnings) words.line(`${words.style('yellow', 'Warning')}: ${text}`);
}

function printOne(words: Words, row: CertificateRow): void {
  words.line(words.style('bold', `${row.host}: ${row.text}`));
  const line = (label: string, value: string | undefined): void => {
    if (value !== undefined) words.line(`  ${words.style('dim', label.padEnd(9))} ${value}`);
  };
  const time = (ms: number | undefined): string | undefined =>
    ms === undefined ? undefined : isoTime(ms);
  line('State', row.state);
  line('Source', row.source);
  line('Names', row.names.length === 0 ? undefined : row.names.join(', '));
  line('Issuer', row.issuer);
  line('Serial', row.serial);
  line('From', time(row.notBefore));
  line('Until', time(row.notAfter));
  line('Renewed', time(row.renewsAt));
  if (row.failure === undefined) return;
  line('Failed', `${row.failure.count} times, last ${isoTime(row.failure.at)}`);
  line('Again', isoTime(row.failure.retryAt));
}
