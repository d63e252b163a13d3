/** Fields as people type them, `title:string due:datetime:optional post:belongs_to`, and what generators make of them. Pure. */
import { MolnError } from '../base/errors.ts';
import { nearestName } from '../base/suggest.ts';

export interface FieldWord {
  /** As the model has it: `post_id` of `post:belongs_to`. */
  readonly name: string;
  readonly kind: string;
  readonly flags: readonly string[];
  /** Of `belongsTo`. */
  readonly target: string | undefined;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'string',
  text: 'text',
  integer: 'integer',
  number: 'number',
  boolean: 'boolean',
  datetime: 'datetime',
  json: 'json',
  file: 'file',
  belongs_to: 'belongsTo',
  references: 'belongsTo',
};
const FLAGS = ['optional', 'unique', 'index'];
const NAME = /^[a-z][a-z0-9_]{0,62}$/;
const TAKEN: ReadonlySet<string> = new Set(['id', 'created_at', 'updated_at', 'version']);

/** Throws `WORKBENCH_BAD_FIELD`. */
export function readFields(words: readonly string[]): readonly FieldWord[] {
  const fields = words.map(readField);
  const twice = fields.find(
    ({ name }, at) => fields.findIndex((each) => each.name === name) !== at,
  );
  if (twice !== undefined)
    throw bad(`Field "${twice.name}" is given twice`, 'Leave one of them out');
  return fields;
}

function readField(word: string): FieldWord {
  const [name = '', type = 'string', ...flags] = word.split(':');
  if (!NAME.test(name) || TAKEN.has(name)) {
    throw bad(
      `"${name}" cannot be the name of a field`,
      'Write it in lower case with _, such as published_at; id, created_at and updated_at are there already',
    );
  }
  const kind = KINDS[type];
  if (kind === undefined) {
    const near = nearestName(type, Object.keys(KINDS));
    throw bad(
      `There is no type "${type}" for field "${name}"`,
      near === undefined ? `Types: ${Object.keys(KINDS).join(', ')}` : `Did you mean "${near}"?`,
    );
  }
  const unknown = flags.find((flag) => !FLAGS.includes(flag));
  if (unknown !== undefined)
    throw bad(
      `"${unknown}" of field "${name}" is not known`,
      `After the type may stand: ${FLAGS.join(', ')}`,
    );
  const isLink = kind === 'belongsTo';
  const target = isLink ? name.replace(/_id$/, '') : undefined;
  return { name: isLink ? `${target}_id` : name, kind, flags, target };
}

/** `string({ unique: true })`. */
export function fieldSource({ kind, flags, target }: FieldWord): string {
  const options = flags.map((flag) => `${flag}: true`).join(', ');
  const words = [
    ...(target === undefined ? [] : [`'${target}'`]),
    ...(options === '' ? [] : [`{ ${options} }`]),
  ];
  return `${kind}(${words.join(', ')})`;
}

/** A value that the field takes, as source text of what a form sends. */
export function sampleOf({ name, kind }: FieldWord): string {
  switch (kind) {
    case 'integer':
    case 'number':
      return "'7'";
    case 'boolean':
      return "'1'";
    case 'datetime':
      return "'2027-01-31T12:00'";
    case 'json':
      return "'{}'";
    default:
      return `'Some ${name}'`;
  }
}

function bad(message: string, hint: string): MolnError {
  return new MolnError('WORKBENCH_BAD_FIELD', message, { hint });
}
