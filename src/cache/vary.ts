/**
 * Secondary keys (RFC 9111 4.1): which request fields an answer depends on, and when two requests agree on them.
 * Values are brought into a form in which equal meaning is equal text, as far as the field's own definition says so.
 */
import type { Fields } from './fields.ts';
import { cookieNamed } from './name-pattern.ts';

/** Names that a Vary field nominates, in lower case, sorted, each once; `*` in place of them all. */
export type VaryNames = readonly string[] | '*';

/** Names of one Vary field beyond which it counts as `*`. */
const NAMES_MAX = 32;
/** Vary fields and values that are remembered; the maps are emptied when they are full. */
const REMEMBERED_MAX = 4096;
const REMEMBERED_CHARACTERS_MAX = 512;

/** The client as the gateway tells of it: another one for each, and no field of the request that could be compared. */
const ABOUT_CLIENT: ReadonlySet<string> = new Set(['forwarded', 'x-forwarded-for']);
/** Said by the gateway from what the key holds, or kept from the origin whoever sent it. */
const OF_THE_GATEWAY = /^x-(?:forwarded-|real-ip$)/;

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const NONE: readonly string[] = [];
const names = new Map<string, VaryNames>();

/**
 * Reads a Vary value, lines joined. A `*` among others is a `*`, and so is whatever is no list of names: nobody can
 * tell what such an answer depends on. What a client sends of the fields that the gateway says is not what the origin saw.
 */
export function parseVary(value: string | undefined): VaryNames {
  if (value === undefined) return NONE;
  const known = names.get(value);
  if (known !== undefined) return known;
  const members = value
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const star =
    members.length > NAMES_MAX ||
    members.some((name) => name === '*' || ABOUT_CLIENT.has(name) || !TOKEN.test(name));
  const own = members.filter((name) => !OF_THE_GATEWAY.test(name));
  const parsed = star ? '*' : [...new Set(own)].sort();
  if (names.size >= REMEMBERED_MAX) names.clear();
  if (value.length <= REMEMBERED_CHARACTERS_MAX) names.set(value, parsed);
  return parsed;
}

const joined = new Map<string, readonly string[]>();

/** With those that the operator has added (`CacheSettings.keyFields`), which no Vary can take away. */
export function withOwn(nominated: readonly string[], own: readonly string[]): readonly string[] {
  if (own.length === 0) return nominated;
  const both = `${nominated.join()}\n${own.join()}`;
  const known = joined.get(both);
  if (known !== undefined) return known;
  const made = [...new Set([...nominated, ...own])].sort();
  if (joined.size >= REMEMBERED_MAX) joined.clear();
  joined.set(both, made);
  return made;
}

/** Between the values of a secondary key; no field value holds it. */
const END = '\n';
/** A field that the request does not have differs from an empty one. */
const MISSING = '\0';

/** The request's values of the nominated fields, as one text. */
export function varyValues(nominated: readonly string[], fields: Fields): string {
  let values = '';
  for (const name of nominated) values += `${valueOf(name, fields)}${END}`;
  return values;
}

/** Whether the request has these values. Allocates nothing when the values are known ones. */
export function matchesVary(nominated: readonly string[], values: string, fields: Fields): boolean {
  let at = 0;
  for (const name of nominated) {
    const value = valueOf(name, fields);
    const end = at + value.length;
    if (!values.startsWith(value, at) || values.charCodeAt(end) !== 10) return false;
    at = end + 1;
  }
  return at === values.length;
}

/** One cookie; no field has such a name. */
const COOKIE = 'cookie:';

function valueOf(name: string, fields: Fields): string {
  if (name.startsWith(COOKIE)) {
    return cookieNamed(fields.get('cookie') ?? '', name.slice(COOKIE.length)) ?? MISSING;
  }
  const value = fields.get(name);
  return value === undefined ? MISSING : normalised(name, value);
}

/** Not lists, or lists whose members nobody may rearrange: taken as they are. */
const VERBATIM: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'from',
  'host',
  'if-modified-since',
  'if-unmodified-since',
  'origin',
  'proxy-authorization',
  'referer',
  'user-agent',
]);

/** Weighted lists, where neither order nor (but for parameters in quotes) the case of letters means anything. */
const WEIGHTED: ReadonlySet<string> = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
]);

/** Per field, its values in the form in which they are compared. */
const forms = new Map<string, Map<string, string>>();
let formsCount = 0;

function normalised(name: string, value: string): string {
  if (VERBATIM.has(name)) return value;
  let known = forms.get(name);
  const form = known?.get(value);
  if (form !== undefined) return form;
  const made = WEIGHTED.has(name) ? weightedForm(name, value) : listForm(value);
  if (value.length > REMEMBERED_CHARACTERS_MAX) return made;
  if (formsCount >= REMEMBERED_MAX) {
    forms.clear();
    formsCount = 0;
    known = undefined;
  }
  if (known === undefined) forms.set(name, (known = new Map()));
  // A string of its own: a slice would keep the whole head in memory.
  known.set(Buffer.from(value, 'latin1').toString('latin1'), made);
  formsCount++;
  return made;
}

/** RFC 9111 4.1: white space around the commas of a list means nothing; inside quotes it does. */
function listForm(value: string): string {
  return members(value).join(',');
}

/** The members of a list; commas inside quotes are theirs. Empty members are dropped (RFC 9110 5.6.1). */
function members(value: string): string[] {
  const found = value.match(/(?:[^",]|"(?:[^"\\]|\\.)*"?)+/g) ?? [];
  return found.map((member) => member.trim()).filter((member) => member !== '');
}

/** Members in lower case without spaces, `q=1` left out, sorted. */
function weightedForm(name: string, value: string): string {
  return members(value)
    .map((member) => weightedMember(name, member))
    .sort()
    .join(',');
}

function weightedMember(name: string, member: string): string {
  if (member.includes('"')) return member;
  const [first = '', ...parameters] = member.split(';').map((part) => part.trim());
  let form = first.toLowerCase();
  if (name === 'accept-encoding' && form === 'x-gzip') form = 'gzip';
  for (const parameter of parameters) {
    const weight = /^q[ \t]*=[ \t]*([01](?:\.\d{0,3})?)$/i.exec(parameter)?.[1];
    // A parameter's value may be case-sensitive; a weight is a number.
    if (weight === undefined) form += `;${parameter}`;
    else if (Number(weight) < 1) form += `;q=${Number(weight)}`;
  }
  return form;
}
