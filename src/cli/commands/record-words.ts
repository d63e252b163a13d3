/** What `moln route` and `moln listener` share: from the words that were typed to what is written, and what is said then. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { RouteAnswer } from '../../api/api.ts';
import { ConfigError, isMolnError, messageOf, MolnError, systemCode } from '../../base/errors.ts';
import { inlineFiles, parseYaml, readYaml, type Written, writeYaml } from '../../routes/routes.ts';
import type { RecordWord } from '../client.ts';
import type { ArgumentSpec, Context, Input, OptionSpec } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';

export const NAME: ArgumentSpec = {
  name: 'NAME',
  description: 'lower-case letters, digits and -',
  required: true,
};

export const SETTINGS: ArgumentSpec = {
  name: 'KEY=VALUE…',
  description: 'keys of the file, such as cache.negative=10s; KEY= takes one away',
  variadic: true,
};

export const FILE: OptionSpec = {
  flags: '-f, --file <FILE>',
  description: 'all of it, in YAML or JSON, in place of KEY=VALUE',
};

/** What is to be set, and the revision that it was made of, if of any. */
export interface WantedRecord {
  readonly written: Written;
  readonly revision?: number;
}

/** Out of a file, or what there is with some keys changed. */
export async function wantedRecord(
  context: Context,
  input: Input,
  kind: RecordWord,
): Promise<WantedRecord> {
  const settings = input.rest('KEY=VALUE…');
  const file = input.text('file');
  if ((file === undefined) === (settings.length === 0)) {
    throw usageError('Want either KEY=VALUE or --file FILE', `moln ${kind} set NAME --help`);
  }
  if (file !== undefined) return { written: readRecordFile(context, kind, file) };
  const name = input.argument('NAME') ?? '';
  const before = await recordIfAny(context, kind, name);
  const written = inlineFiles(withSettings(before?.written ?? {}, settings), context.io.cwd);
  return { written, revision: before?.revision ?? 0 };
}

/** What `check` does: says what is wrong with it, as `set` would. */
export async function checkRecord(
  context: Context,
  input: Input,
  kind: RecordWord,
): Promise<number> {
  const name = input.argument('NAME') ?? '';
  const { written } = await wantedRecord(context, input, kind);
  const checked = await context.client().checkRecord(kind, name, written);
  const [first = '', ...rest] = kind;
  if (context.json) context.words.json(checked);
  else context.words.line(`${first.toUpperCase()}${rest.join('')} "${name}" is good`);
  return EXIT.ok;
}

async function recordIfAny(
  context: Context,
  kind: RecordWord,
  name: string,
): Promise<{ readonly written: Written; readonly revision: number } | undefined> {
  try {
    return await context.client().record(kind, name);
  } catch (error) {
    if (isMolnError(error, 'ROUTES_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** With the files that it names in it. Throws `ConfigError` with the line. */
function readRecordFile(context: Context, kind: RecordWord, file: string): Written {
  const path = resolve(context.io.cwd, file);
  try {
    return inlineFiles(readYaml(kind, readFileSync(path, 'utf8')), dirname(path));
  } catch (error) {
    if (error instanceof ConfigError) {
      throw new ConfigError(error.key, `${file}: ${error.message}`, { cause: error });
    }
    if (systemCode(error) === undefined) throw error;
    throw new MolnError('CONFIG_INVALID', `"${file}" cannot be read: ${messageOf(error)}`, {
      hint: `Name the file that says what the ${kind} is`,
      cause: error,
    });
  }
}

/** Pure. Keys within keys are joined with a dot; values are YAML, so that numbers and lists are what they look like. */
export function withSettings(written: Written, settings: readonly string[]): Written {
  let changed = written;
  for (const setting of settings) {
    const at = setting.indexOf('=');
    const keys = setting.slice(0, Math.max(0, at)).split('.');
    if (at < 1 || keys.some((key) => key === '')) {
      const hint = 'Such as host=www.example.org, or cache.negative=10s';
      throw usageError(`"${setting}" is not KEY=VALUE`, hint);
    }
    const text = setting.slice(at + 1);
    changed = withValue(changed, keys, text === '' ? undefined : valueOf(text));
  }
  return changed;
}

/** Lists and maps are written within [] and {}; where YAML would see more than a word without them, the word is meant. */
function valueOf(text: string): unknown {
  const isFlow = /^[[{"']/.test(text);
  try {
    const { value } = parseYaml(text);
    return typeof value === 'object' && !isFlow ? text : value;
  } catch (error) {
    if (isMolnError(error, 'CONFIG_INVALID') && !isFlow) return text;
    throw error;
  }
}

function withValue(
  written: Written,
  [key = '', ...deeper]: readonly string[],
  value: unknown,
): Written {
  const { [key]: before, ...rest } = written;
  if (deeper.length === 0) return value === undefined ? rest : { ...written, [key]: value };
  const isMap = typeof before === 'object' && before !== null && !Array.isArray(before);
  const inner = withValue(isMap ? (before as Written) : {}, deeper, value);
  return value === undefined && Object.keys(inner).length === 0
    ? rest
    : { ...written, [key]: inner };
}

/** What became of a change. */
export function printAnswer(context: Context, answer: RouteAnswer, sentence: string): number {
  const { words } = context;
  if (context.json) {
    words.json(answer);
    return EXIT.ok;
  }
  words.line(`${sentence} on ${answer.nodes.join(', ')}`);
  if (answer.away.length > 0)
    words.note(`Away: ${answer.away.join(', ')}; there as soon as it is back`);
  for (const { node, message } of answer.troubles) words.note(`Not open on ${node}: ${message}`);
  return EXIT.ok;
}

export function printWritten(context: Context, written: Written): void {
  context.words.line(writeYaml(written).trimEnd());
}
