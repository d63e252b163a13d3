/** `moln db`: databases, from making one to ending a statement in it. */
import type { DatabaseDetail, DatabaseSummary, QueryDetail, StripeDetail } from '../../api/api.ts';
import { formatDuration, isoTime } from '../../base/time.ts';
import { formatBytes, parseDuration } from '../../base/units.ts';
import type { CommandSpec, Context, Input } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { ask } from '../prompt.ts';
import { count } from '../words.ts';
import { DUMP, EXPORT, IMPORT, RESTORE } from './db-copy.ts';
import { DB_LOST } from './db-lost.ts';
import { DB_SCRUB } from './db-scrub.ts';
import { SHELL } from './db-shell.ts';
import { SEED } from './web-app.ts';

const NAME = { name: 'NAME', description: 'of the database', required: true };
const TOKEN_FOR = 'cli';
const SQL_SHOWN = 80;
const SLOW_SHOWN = 10;

const CREATE: CommandSpec = {
  name: 'create',
  summary: 'Make a database; it can be used when this returns.',
  arguments: [NAME],
  options: [
    { flags: '--stripes <N>', description: 'a number, or auto: by the number of nodes (default)' },
    { flags: '--copies <N>', description: 'of each stripe, on different nodes (default 2)' },
    {
      flags: '--spread <region=NAME>',
      description: 'a region where copies are to be',
      repeat: true,
    },
  ],
  examples: [
    ['moln db create shop', ''],
    ['moln db create shop --stripes 4 --copies 3', ''],
    ['moln db create shop --spread region=north --spread region=south', 'a copy in each'],
  ],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const stripes = input.text('stripes');
    const regions = input.texts('spread').map(readRegion);
    const made = await context.client().createDatabase(name, {
      ...(stripes === undefined || stripes === 'auto'
        ? {}
        : { stripes: readCount('stripes', stripes) }),
      ...copiesOf(input),
      ...(regions.length === 0 ? {} : { regions }),
    });
    if (context.json) {
      context.words.json(made);
      return EXIT.ok;
    }
    context.words.line(`Database ${made.name} is ready: ${count(made.stripes, 'stripe')}`);
    context.words.note(
      `Its address is the node's with ${made.path}; make a token with "moln db token ${made.name}"`,
    );
    noteEmptyRegions(context, made);
    return EXIT.ok;
  },
};

const LIST: CommandSpec = {
  name: 'list',
  summary: 'List the databases, and how they are doing.',
  run: async (context) => {
    const databases = await context.client().databases();
    if (context.json) context.words.json(databases);
    else if (databases.length === 0)
      context.words.line('No databases: make one with "moln db create NAME"');
    else printList(context, databases);
    return EXIT.ok;
  },
};

const SHOW: CommandSpec = {
  name: 'show',
  summary: 'Show one database: what it is, what runs in it now, and what ran long.',
  arguments: [NAME],
  run: async (context, input) => {
    const database = await context.client().database(input.argument('NAME') ?? '');
    if (context.json) context.words.json(database);
    else printDatabase(context, database);
    return EXIT.ok;
  },
};

const STRIPES: CommandSpec = {
  name: 'stripes',
  summary: 'Show the stripes of a database: who leads, the copies, and their figures.',
  arguments: [NAME],
  run: async (context, input) => {
    const { stripeDetails } = await context.client().database(input.argument('NAME') ?? '');
    if (context.json) context.words.json(stripeDetails);
    else printStripes(context, stripeDetails);
    return EXIT.ok;
  },
};

const MOVE: CommandSpec = {
  name: 'move',
  summary: 'Have a stripe led by another node; writes wait for a moment, none fails.',
  arguments: [NAME, { name: 'STRIPE', description: 'its number', required: true }],
  options: [{ flags: '--to <NODE>', description: 'the node that is to lead it (required)' }],
  examples: [
    ['moln db move shop 0 --to n2', ''],
    ['moln db stripes shop', 'who leads now, and why'],
  ],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const stripe = readStripe(input);
    const node = input.text('to');
    if (node === undefined)
      throw usageError('Nothing says which node is to lead', 'Give it with --to NODE');
    const moved = await context.client().moveStripe(name, { stripe, node });
    if (context.json) context.words.json(moved);
    else context.words.line(`Stripe ${stripe} of ${name} is led by ${moved.primary ?? 'none'}`);
    return EXIT.ok;
  },
};

const SPLIT: CommandSpec = {
  name: 'split',
  summary: 'Split a stripe: half of its rows move to a new one, while clients go on.',
  arguments: [NAME, { name: 'STRIPE', description: 'its number', required: true }],
  examples: [
    ['moln db split shop 0', ''],
    ['moln db stripes shop', 'how far it is'],
  ],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const stripe = readStripe(input);
    const made = await context.client().splitStripe(name, stripe);
    if (context.json) context.words.json(made);
    else context.words.line(`Stripe ${stripe} of ${name} is split: ${made.number} has half of it`);
    return EXIT.ok;
  },
};

const DROP: CommandSpec = {
  name: 'drop',
  summary: 'Drop a database with everything in it.',
  arguments: [NAME],
  options: [{ flags: '-y, --yes', description: 'do not ask' }],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    if (!input.flag('yes')) {
      await context.client().database(name);
      const answer = await ask(context.io, `Drop "${name}" with everything in it? Type its name: `);
      if (answer !== name)
        throw usageError(`"${name}" was not dropped`, 'Type its name, or give --yes');
    }
    await context.client().dropDatabase(name);
    if (context.json) context.words.json({ database: name, dropped: true });
    else context.words.line(`${name} is dropped`);
    return EXIT.ok;
  },
};

const TOKEN: CommandSpec = {
  name: 'token',
  summary: 'Make a token that opens this database and nothing else; it is shown this once.',
  arguments: [NAME],
  options: [
    { flags: '--read-only', description: 'it may read and nothing else' },
    { flags: '--for <WHOM>', description: 'who uses it, as shown beside statements' },
    { flags: '--ttl <DURATION>', description: 'ends after this time, as 30d (default: never)' },
    { flags: '--revoke-all', description: 'end all that were made before, and make none' },
  ],
  examples: [
    ['moln db token shop', 'for a client that writes'],
    ['moln db token shop --read-only --ttl 7d', ''],
    ['moln db token shop --revoke-all', 'apps get new ones when they are restarted'],
  ],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    if (input.flag('revoke-all')) {
      await context.client().revokeDatabaseTokens(name);
      if (context.json) context.words.json({ database: name, revoked: true });
      else context.words.line(`Tokens of ${name} that were made before open nothing any more`);
      return EXIT.ok;
    }
    const ttl = input.text('ttl');
    const { token } = await context.client().createDatabaseToken(name, {
      for: input.text('for') ?? TOKEN_FOR,
      readOnly: input.flag('read-only'),
      ...(ttl === undefined ? {} : { ttlMs: parseDuration(ttl, '--ttl') }),
    });
    if (context.json) context.words.json({ token });
    else {
      context.words.line(token);
      context.words.note(`It opens "${name}" and is not shown again: keep it now`);
    }
    return EXIT.ok;
  },
};

const KILL: CommandSpec = {
  name: 'kill',
  summary: 'End a statement that runs now.',
  arguments: [NAME, { name: 'ID', description: 'as "moln db show" shows it', required: true }],
  run: async (context, input) => {
    const id = input.argument('ID') ?? '';
    await context.client().killQuery(input.argument('NAME') ?? '', id);
    if (context.json) context.words.json({ killed: id });
    else context.words.line(`Statement ${id} is ended`);
    return EXIT.ok;
  },
};

export const DB: CommandSpec = {
  name: 'db',
  summary: 'Make, look at and drop databases, and run SQL in them.',
  examples: [
    ['moln db create shop', ''],
    ['moln db stripes shop', 'who leads, and the copies'],
  ],
  commands: [
    CREATE,
    LIST,
    SHOW,
    STRIPES,
    MOVE,
    SPLIT,
    DB_SCRUB,
    SHELL,
    DUMP,
    RESTORE,
    DB_LOST,
    IMPORT,
    EXPORT,
    TOKEN,
    KILL,
    DROP,
    SEED,
  ],
};

export const WHY_QUERY: CommandSpec = {
  name: 'query',
  summary: 'How a database would run a statement, and why.',
  arguments: [NAME, { name: 'SQL', description: 'one statement, quoted', required: true }],
  run: async (context, input) => {
    const sql = input.argument('SQL') ?? '';
    const plan = await context.client().explainQuery(input.argument('NAME') ?? '', sql);
    if (context.json) context.words.json(plan);
    else for (const line of plan.lines) context.words.line(line);
    return EXIT.ok;
  },
};

function readRegion(text: string): string {
  const [, region] = /^region=(.+)$/.exec(text) ?? [];
  if (region !== undefined) return region;
  throw usageError(`"${text}" is no place to spread to`, 'Write it as --spread region=NAME');
}

function readCount(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw usageError(`Option --${option} is "${text}"`, `Give a number, as --${option} 2`);
}

function readStripe(input: Input): number {
  const text = input.argument('STRIPE') ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const name = input.argument('NAME') ?? '';
  throw usageError(`"${text}" is no number of a stripe`, `See them with "moln db stripes ${name}"`);
}

function copiesOf(input: Input): { readonly copies?: number } {
  const copies = input.text('copies');
  return copies === undefined ? {} : { copies: readCount('copies', copies) };
}

function printList({ words }: Context, databases: readonly DatabaseSummary[]): void {
  words.table(
    ['NAME', 'STATE', 'STRIPES', 'COPIES WANTED', 'SIZE', 'CLIENTS'],
    databases.map((each) => [
      each.name,
      each.state,
      String(each.stripes),
      String(each.copies),
      formatBytes(each.bytes),
      String(each.connections),
    ]),
  );
}

function printDatabase(context: Context, database: DatabaseDetail): void {
  const { words } = context;
  const { name, state, why, createdAt, by } = database;
  words.line(`${words.style('bold', name)} is ${state}${why === undefined ? '' : `: ${why}`}`);
  words.line(
    `Made ${isoTime(createdAt)} by ${by}, ${formatBytes(database.bytes)}, at ${database.path}`,
  );
  const { restorable } = database;
  if (restorable !== undefined) {
    const { from, to } = restorable;
    words.line(`Can be had as of any moment from ${isoTime(from)} to ${isoTime(to)}`);
  }
  if (database.copyWaits !== undefined) words.note(database.copyWaits);
  if (database.snapshotsWait !== undefined)
    words.note(`Snapshots are not in the file store yet: ${database.snapshotsWait}`);
  noteEmptyRegions(context, database);
  printStripes(context, database.stripeDetails);
  printQueries(context, 'RUNS NOW', database.queries);
  const slow = database.slow.toSorted((one, other) => other.startedAt - one.startedAt);
  printQueries(context, 'RAN LONG', slow.slice(0, SLOW_SHOWN));
  const older = slow.length - SLOW_SHOWN;
  if (older > 0) words.note(`${count(older, 'older one')} that ran long: add --json`);
}

function printQueries({ words }: Context, title: string, queries: readonly QueryDetail[]): void {
  if (queries.length === 0) return;
  words.line();
  words.table(
    [title, 'NODE', 'CALLER', 'BEGAN', 'TIME', 'STATEMENT'],
    queries.map(({ id, node, caller, startedAt, ms, sql }) => [
      id,
      node,
      caller,
      isoTime(startedAt),
      formatDuration(ms),
      sql.replace(/\s+/g, ' ').slice(0, SQL_SHOWN),
    ]),
  );
}

function noteEmptyRegions({ words }: Context, { emptyRegions }: DatabaseSummary): void {
  if (emptyRegions.length > 0)
    words.note(
      `No node is in region ${emptyRegions.join(' or ')}: no copy is there before one joins; "moln regions" lists those that there are`,
    );
}

function printStripes({ words }: Context, stripes: readonly StripeDetail[]): void {
  words.table(
    [
      'STRIPE',
      'SLOTS',
      'PRIMARY',
      'WHY',
      'MIRRORS',
      'SNAPSHOT',
      'LOG',
      'TRANSACTIONS',
      'GROUP',
      'APPEND',
    ],
    stripes.map((stripe) => [
      String(stripe.number),
      String(stripe.slots),
      stripe.primary ?? 'none',
      whyWords(stripe),
      mirrorWords(stripe),
      snapshotWords(stripe),
      String(stripe.logEntries),
      String(stripe.transactions),
      stripe.groups === 0 ? '-' : (stripe.transactions / stripe.groups).toFixed(1),
      stripe.groups === 0 ? '-' : `${(stripe.appendMs / stripe.groups).toFixed(2)} ms`,
    ]),
  );
  for (const { number, copies, scrub } of stripes) {
    for (const { node, rebuilt } of copies)
      if (rebuilt !== undefined)
        words.note(
          `The copy of stripe ${number} on ${node} was put aside and built anew: ${rebuilt}`,
        );
    for (const { node, result, why = '' } of scrub?.copies ?? [])
      if (result === 'failed')
        words.note(`The copy of stripe ${number} on ${node} could not be compared: ${why}`);
  }
  const compared = stripes.flatMap(({ scrub }) => (scrub?.at === undefined ? [] : [scrub.at]));
  if (compared.length > 0)
    words.line(`Copies were last compared from ${isoTime(Math.min(...compared))} on`);
}

function whyWords({ moves, split, why }: StripeDetail): string {
  if (split !== undefined) return `splits ${split}`;
  return moves === undefined ? (why ?? '-') : `moves ${moves}`;
}

function mirrorWords({ copies }: StripeDetail): string {
  const mirrors = copies.filter(({ role }) => role === 'mirror');
  if (mirrors.length === 0) return 'none';
  return mirrors.map(({ node, lag }) => (lag === 0 ? node : `${node} (${lag} behind)`)).join(', ');
}

/** Where the newest one lies. */
function snapshotWords({ snapshot }: StripeDetail): string {
  if (snapshot === undefined) return '-';
  return [...snapshot.nodes, ...(snapshot.isStored === true ? ['file store'] : [])].join(', ');
}
