/** The policy of a model and its test, as source text that a person would write: rows that are somebody's are changed by nobody else. Pure. */
import type { Field } from '../web/web.ts';
import { namesOf } from './scaffold.ts';
import { fill } from './templates.ts';

type Fields = Readonly<Record<string, Field>>;

/** Values that a field without further wishes takes, as source text. */
const SAMPLES: Readonly<Partial<Record<Field['kind'], string>>> = {
  string: "'Some words'",
  text: "'Some words'",
  integer: '7',
  number: '7',
  boolean: 'true',
  datetime: "new Date('2027-01-31T12:00:00Z')",
};

/** No sample is longer, nor a greater number. */
const SAMPLE_MAX = 10;

/** `isScaffold`: its controller has the actions that a test of the policy asks. */
export function policyFiles(
  name: string,
  fields: Fields,
  isScaffold: boolean,
): Readonly<Record<string, string>> {
  const { one, many, type, row, path } = namesOf(name);
  const owner = ownerOf(name, fields) ?? '';
  const words = { one, type, constant: row, plural: many.replaceAll('_', ' '), path, owner };
  const file = `app/policies/${one}.ts`;
  if (owner === '') return { [file]: fill('scaffold/shared-policy.ts', words) };
  if (name === 'user') return { [file]: fill('scaffold/user-policy.ts', words) };
  const policy = { [file]: fill('scaffold/policy.ts', words) };
  const values = valuesBeside(owner, fields);
  if (!isScaffold || values === undefined) return policy;
  const test = fill('scaffold/policy-test.ts', { ...words, values });
  return { ...policy, [`tests/${one}_policy.test.ts`]: test };
}

/** The field that says whose a row is. */
function ownerOf(name: string, fields: Fields): string | undefined {
  if (name === 'user') return 'id';
  return Object.keys(fields).find((each) => fields[each]?.target === 'user');
}

/** What a row must have besides its owner; undefined where no value is known to be right. */
function valuesBeside(owner: string, fields: Fields): string | undefined {
  const wanted = Object.entries(fields).filter(
    ([name, { options }]) =>
      name !== owner && options.optional !== true && options.default === undefined,
  );
  const pairs = wanted.map(([name, { kind, options }]) => {
    const { check, format, max = SAMPLE_MAX, min, oneOf, pattern } = options;
    const isFree = [check, format, min, oneOf, pattern].every((wish) => wish === undefined);
    const sample = isFree && max >= SAMPLE_MAX ? SAMPLES[kind] : undefined;
    return sample === undefined ? undefined : `${name}: ${sample}, `;
  });
  return pairs.includes(undefined) ? undefined : pairs.join('');
}
