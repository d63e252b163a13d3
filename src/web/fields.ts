/**
 * Fields of a model. Each is named once and says everything about itself: type, column, what is allowed, how a form asks for it.
 * Pure: text of a form or a value of JSON in, a value or a sentence out.
 */
import { dateOf } from '../base/time.ts';
import { formatBytes } from '../base/units.ts';
import type { KeptFile } from './kept-files.ts';
import type { StandardSchema } from './standard-schema.ts';
import type { SqlValue } from './sql.ts';

export type FieldKind =
  | 'string'
  | 'text'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'datetime'
  | 'json'
  | 'file'
  | 'reference';

/** Characters of a `string` unless it says otherwise. */
const STRING_CHARACTERS = 255;
/** Characters of a `text` unless it says otherwise. */
const TEXT_CHARACTERS = 100_000;

export interface FieldOptions<Value> {
  /** May be left out, and is null then. */
  readonly optional?: boolean;
  /** What it is when nothing is given. */
  readonly default?: Value;
  /** No two rows have the same. */
  readonly unique?: boolean;
  readonly index?: boolean;
  /** In forms and sentences, instead of its name. */
  readonly label?: string;
  /** Never taken from a form, never in JSON: for digests and the like. */
  readonly hidden?: boolean;
  /** `false`: for code alone to set, never taken from a form; shown all the same. */
  readonly editable?: boolean;
  /** Any Standard Schema (valibot, zod, arktype, …), asked after the field's own rules. */
  readonly check?: StandardSchema<unknown, Value>;
}

export interface StringOptions extends FieldOptions<string> {
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: RegExp;
  /** What `pattern` means, as in "Slug must be lower case". */
  readonly means?: string;
  readonly oneOf?: readonly string[];
  readonly format?: 'email' | 'url' | 'password';
}

export interface NumberOptions extends FieldOptions<number> {
  readonly min?: number;
  readonly max?: number;
}

export interface FileOptions extends FieldOptions<never> {
  readonly bytesMax?: number;
  /** `image/png`, or `image/*`; as the browser says, which nobody has to believe. */
  readonly types?: readonly string[];
}

export interface ReferenceOptions extends FieldOptions<number> {
  /** What becomes of this row when that one is deleted; without it, that one cannot be deleted. */
  readonly onDelete?: 'cascade' | 'set null';
}

/** `Value`: what a row has. `Free`: whether a new row may leave it out. */
export interface Field<Value = unknown, Free extends boolean = boolean> {
  readonly kind: FieldKind;
  readonly column: 'TEXT' | 'INTEGER' | 'REAL';
  readonly options: FieldOptions<never> & {
    readonly min?: number;
    readonly max?: number;
    readonly pattern?: RegExp;
    readonly means?: string;
    readonly oneOf?: readonly string[];
    readonly format?: 'email' | 'url' | 'password';
    readonly onDelete?: 'cascade' | 'set null';
    readonly bytesMax?: number;
    readonly types?: readonly string[];
    readonly default?: unknown;
    readonly check?: StandardSchema<unknown, never>;
  };
  /** The model that a reference leads to. */
  readonly target?: string;
  /** In types only. */
  readonly value?: Value;
  readonly free?: Free;
}

type ValueIn<Base, Options> = Options extends { readonly optional: true } ? Base | null : Base;
type FreeIn<Options> = Options extends { readonly optional: true } | { readonly default: unknown }
  ? true
  : false;
type Words<Options> = Options extends { readonly oneOf: readonly (infer Word extends string)[] }
  ? Word
  : string;

/** One line of text. */
export function string<const O extends StringOptions = StringOptions>(
  options?: O,
): Field<ValueIn<Words<O>, O>, FreeIn<O>> {
  return field('string', 'TEXT', { max: STRING_CHARACTERS, ...options });
}

/** Text of several lines. */
export function text<const O extends StringOptions = StringOptions>(
  options?: O,
): Field<ValueIn<string, O>, FreeIn<O>> {
  return field('text', 'TEXT', { max: TEXT_CHARACTERS, ...options });
}

export function integer<const O extends NumberOptions = NumberOptions>(
  options?: O,
): Field<ValueIn<number, O>, FreeIn<O>> {
  return field('integer', 'INTEGER', { ...options });
}

export function number<const O extends NumberOptions = NumberOptions>(
  options?: O,
): Field<ValueIn<number, O>, FreeIn<O>> {
  return field('number', 'REAL', { ...options });
}

/** False unless given, as a box in a form that is not ticked. */
export function boolean<const O extends FieldOptions<boolean> = FieldOptions<boolean>>(
  options?: O,
): Field<ValueIn<boolean, O>, true> {
  return field('boolean', 'INTEGER', {
    default: options?.optional === true ? null : false,
    ...options,
  });
}

export function datetime<const O extends FieldOptions<Date> = FieldOptions<Date>>(
  options?: O,
): Field<ValueIn<Date, O>, FreeIn<O>> {
  return field('datetime', 'TEXT', { ...options });
}

/** Anything that JSON can say, kept as its text. With `optional: true` it may be null, and left out. */
export function json<Value = unknown>(
  options?: FieldOptions<Value> & { readonly optional?: false },
): Field<Value, false>;
export function json<Value = unknown>(
  options: FieldOptions<Value> & { readonly optional: true },
): Field<Value | null, true>;
export function json(options?: FieldOptions<unknown>): Field<unknown> {
  return field('json', 'TEXT', { ...options });
}

/** A file that a form brings: the row has its key, name, size and type, the bytes lie in the app's `files`. */
export function file<const O extends FileOptions = FileOptions>(
  options?: O,
): Field<ValueIn<KeptFile, O>, FreeIn<O>> {
  return field('file', 'TEXT', { ...options });
}

/** A row of another model, by its id: `user_id: belongsTo('user')`. */
export function belongsTo<const O extends ReferenceOptions = ReferenceOptions>(
  model: string,
  options?: O,
): Field<ValueIn<number, O>, FreeIn<O>> {
  return { ...field('reference', 'INTEGER', { index: true, ...options }), target: model };
}

function field<Value, Free extends boolean>(
  kind: FieldKind,
  column: Field['column'],
  options: object,
): Field<Value, Free> {
  return { kind, column, options: options as Field['options'] };
}

export type Checked = { readonly value: unknown } | { readonly problem: string };

/** `Published at` of `published_at`. */
export function labelOf(name: string, one: Field): string {
  if (one.options.label !== undefined) return one.options.label;
  const words = name.replace(/_id$/, '').replaceAll('_', ' ');
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** True for what code alone may set. */
export function isClosed({ options }: Field): boolean {
  return options.hidden === true || options.editable === false;
}

/** What a person or a client gave for a field, as the value that it means. */
export async function checkField(one: Field, given: unknown): Promise<Checked> {
  const { options } = one;
  if (given === undefined || given === null || (given === '' && one.kind !== 'boolean')) {
    if (given === undefined && 'default' in options) return { value: options.default };
    if (options.optional === true) return { value: null };
    if ((one.kind === 'string' || one.kind === 'text') && options.min === 0) return { value: '' };
    return 'default' in options && given !== ''
      ? { value: options.default }
      : { problem: 'is missing' };
  }
  const checked = CHECKS[one.kind](given, one);
  if ('problem' in checked || options.check === undefined) return checked;
  const verdict = await options.check['~standard'].validate(checked.value);
  const issue = verdict.issues?.[0];
  if (issue !== undefined) return { problem: issue.message };
  return { value: 'value' in verdict ? verdict.value : checked.value };
}

const CHECKS: Readonly<Record<FieldKind, (given: unknown, one: Field) => Checked>> = {
  string: (given, one) => checkText(given, one, /[\r\n]/),
  text: (given, one) => checkText(given, one, undefined),
  integer: (given, one) => {
    const value = numberOf(given);
    return value !== undefined && Number.isSafeInteger(value)
      ? checkRange(value, one)
      : { problem: 'must be a whole number' };
  },
  number: (given, one) => {
    const value = numberOf(given);
    return value === undefined ? { problem: 'must be a number' } : checkRange(value, one);
  },
  boolean: (given) => {
    if (given === true || given === 'true' || given === 'on' || given === '1' || given === 1) {
      return { value: true };
    }
    const isFalse =
      given === false || given === 'false' || given === '0' || given === '' || given === 0;
    return isFalse ? { value: false } : { problem: 'must be true or false' };
  },
  datetime: (given) => {
    if (given instanceof Date) return { value: given };
    const ms = typeof given === 'string' || typeof given === 'number' ? timeOf(given) : Number.NaN;
    return Number.isNaN(ms) ? { problem: 'must be a date and time' } : { value: dateOf(ms) };
  },
  json: readJson,
  file: checkFile,
  reference: (given) => {
    const value = numberOf(given);
    return value !== undefined && Number.isSafeInteger(value) && value > 0
      ? { value }
      : { problem: 'must be chosen' };
  },
};

/** Only what a form has brought: a key that somebody names may be of a file that is not theirs. */
function checkFile(given: unknown, { options }: Field): Checked {
  if (!(given instanceof File)) return { problem: 'must be a file' };
  const { bytesMax, types } = options;
  if (bytesMax !== undefined && given.size > bytesMax)
    return { problem: `must have at most ${formatBytes(bytesMax)}` };
  const isTaken = types?.some(
    (type) =>
      type === given.type || (type.endsWith('/*') && given.type.startsWith(type.slice(0, -1))),
  );
  if (isTaken === false) return { problem: `must be of type ${types?.join(', ')}` };
  return { value: given };
}

/** A form has only text, so what begins like an object or a list is read as one. */
function readJson(given: unknown): Checked {
  if (typeof given !== 'string' || !/^\s*[[{]/.test(given)) return { value: given };
  try {
    return { value: JSON.parse(given) as unknown };
  } catch (error) {
    if (error instanceof SyntaxError) return { problem: 'must be JSON' };
    throw error;
  }
}

function checkText(given: unknown, { options }: Field, refused: RegExp | undefined): Checked {
  if (typeof given !== 'string') return { problem: 'must be text' };
  const { min, max, pattern, means, oneOf, format } = options;
  // As browsers count `maxlength`.
  const characters = given.length;
  if (refused?.test(given) === true) return { problem: 'must be one line' };
  if (max !== undefined && characters > max)
    return { problem: `must have at most ${max} characters` };
  if (min !== undefined && characters < min)
    return { problem: `must have at least ${min} characters` };
  if (oneOf !== undefined && !oneOf.includes(given)) {
    return { problem: `must be one of ${oneOf.join(', ')}` };
  }
  if (pattern !== undefined && !pattern.test(given))
    return { problem: means ?? 'is not as it should be' };
  if (format === 'email' && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(given)) {
    return { problem: 'must be an e-mail address' };
  }
  if (format === 'url' && !(URL.canParse(given) && /^https?:/i.test(given))) {
    return { problem: 'must be an address that begins with https:// or http://' };
  }
  return { value: given };
}

function checkRange(value: number, { options }: Field): Checked {
  if (options.min !== undefined && value < options.min)
    return { problem: `must be at least ${options.min}` };
  if (options.max !== undefined && value > options.max)
    return { problem: `must be at most ${options.max}` };
  return { value };
}

function numberOf(given: unknown): number | undefined {
  if (typeof given === 'number') return Number.isFinite(given) ? given : undefined;
  if (typeof given !== 'string' || !/^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i.test(given))
    return undefined;
  return Number(given);
}

/** As `datetime-local` of browsers and SQLite's own functions write it. */
const WITHOUT_ZONE = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/;

/** Without a zone it is UTC, as forms show it: `Date.parse` takes the machine's, so that a form which is only saved again changes it. */
function timeOf(given: string | number): number {
  if (typeof given === 'number') return given;
  return Date.parse(WITHOUT_ZONE.test(given) ? `${given}Z` : given);
}

/** Of the text that `toColumn` makes, `2026-01-31T09:30:00.000Z`; others take longer. NaN: no time. */
function keptTime(text: string): number {
  if (!hasKeptForm(text)) return timeOf(text);
  const date = Date.UTC(part(text, 0, 100, 9999), part(text, 5, 1, 12) - 1, part(text, 8, 1, 31));
  const minutes = part(text, 11, 0, 23) * 60 + part(text, 14, 0, 59);
  const ms = date + (minutes * 60 + part(text, 17, 0, 59)) * 1000 + part(text, 20, 0, 999);
  return Number.isNaN(ms) ? Date.parse(text) : ms;
}

function hasKeptForm(text: string): boolean {
  if (text.length !== 24 || text[4] !== '-' || text[7] !== '-' || text[10] !== 'T') return false;
  return text[13] === ':' && text[16] === ':' && text[19] === '.' && text[23] === 'Z';
}

/** The digits from there on, as many as `max` has; NaN when it is no number in that range. */
function part(text: string, from: number, min: number, max: number): number {
  const to = from + (max > 999 ? 4 : max > 99 ? 3 : 2);
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value < min || value > max ? Number.NaN : value;
}

/** As the column keeps it. */
export function toColumn(one: Field, value: unknown): SqlValue {
  if (value === null || value === undefined) return null;
  if (one.kind === 'json' || one.kind === 'file') return JSON.stringify(value);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'boolean') return value ? 1 : 0;
  return value as SqlValue;
}

/** As a row has it. */
export function fromColumn(one: Field, value: SqlValue | undefined): unknown {
  if (value === null || value === undefined) return null;
  if (one.kind === 'boolean') return value !== 0;
  if (one.kind === 'datetime') return dateOf(keptTime(value as string));
  return one.kind === 'json' || one.kind === 'file'
    ? (JSON.parse(value as string) as unknown)
    : value;
}
