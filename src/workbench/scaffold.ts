/** Model, controller, views and test of one noun, as source text that a person would write. Pure. */
import { MolnError } from '../base/errors.ts';
import { type Field, plural, singular } from '../web/web.ts';
import { type FieldWord, fieldSource, sampleOf } from './field-words.ts';
import { fill, type TemplateWords } from './templates.ts';

const NAME = /^[a-z][a-z0-9_]{0,40}$/;
/** Nouns that end like a plural and are none; short ones are abbreviations, such as sms. */
const NO_PLURAL =
  /(?:ss|us|is|news|series|species|lens|gas|alias|bias|atlas|canvas|chaos)$|(?:^|_)[a-z]{1,2}s$/;
/** Columns of the table that lists them all. */
const COLUMNS_MAX = 4;
/** Rows that a form lets one choose from. */
const CHOICES_MAX = 200;
/** Formats of strings that are nobody else's business: forms of a scaffold are for everybody. */
const PRIVATE: ReadonlySet<string | undefined> = new Set(['email', 'password']);
/** What views have from elsewhere: a model of that name gets another one there. */
const IN_VIEWS: ReadonlySet<string> = new Set([
  'Button',
  'Form',
  'Inputs',
  'Layout',
  'Page',
  'Pages',
]);
const LONG: ReadonlySet<string> = new Set(['text', 'json']);

interface Names extends TemplateWords {
  /** `blog_post` */
  readonly one: string;
  /** `blog_posts` */
  readonly many: string;
  /** `BlogPost` */
  readonly type: string;
  /** `BlogPosts` */
  readonly types: string;
  /** `blogPosts` */
  readonly constant: string;
  /** `blogPost`, or `row` where that is taken. */
  readonly row: string;
  /** `blog post` */
  readonly words: string;
  /** `/blog-posts` */
  readonly path: string;
}

export function namesOf(name: string): Names {
  if (!NAME.test(name)) {
    throw new MolnError('WORKBENCH_BAD_NAME', `"${name}" cannot be the name of a model`, {
      hint: 'Write it in lower case and in the singular, such as post or blog_post',
    });
  }
  const many = plural(name);
  const camel = (text: string): string =>
    text.replace(/(?:^|_)([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());
  const small = (text: string): string => text.slice(0, 1).toLowerCase() + text.slice(1);
  const types = camel(many);
  const constant = small(types);
  return {
    one: name,
    many,
    type: camel(name),
    types,
    constant,
    row: constant === small(camel(name)) ? 'row' : small(camel(name)),
    words: name.replaceAll('_', ' '),
    path: `/${many.replaceAll('_', '-')}`,
  };
}

export function modelFile(
  name: string,
  fields: readonly FieldWord[],
): Readonly<Record<string, string>> {
  const { one, type } = namesOf(name);
  const single = singular(name);
  if (single !== name && plural(single) === name && !NO_PLURAL.test(name)) {
    throw new MolnError('WORKBENCH_BAD_NAME', `"${name}" is many: a model is named after one`, {
      hint: `Did you mean "${single}"?`,
    });
  }
  const kinds = [...new Set(fields.map(({ kind }) => kind)), 'model', 'type RowOf'].sort((a, b) =>
    importName(a) < importName(b) ? -1 : 1,
  );
  const lines = fields.map((each) => `  ${each.name}: ${fieldSource(each)},\n`);
  const words = { one, type, imports: kinds.join(', '), fields: lines.join('') };
  return { [`app/models/${one}.ts`]: fill('scaffold/model.ts', words) };
}

export function controllerFile(
  name: string,
  actions: readonly string[],
): Readonly<Record<string, string>> {
  const bad = [name, ...actions].find((word) => !/^[a-z][a-zA-Z0-9_/]{0,60}$/.test(word));
  if (bad !== undefined) {
    throw new MolnError(
      'WORKBENCH_BAD_NAME',
      `"${bad}" cannot be the name of a controller or action`,
      {
        hint: 'Write it as "moln generate controller reports index"',
      },
    );
  }
  const constant = (name.split('/').at(-1) ?? name).replace(/_([a-z])/g, (_all, letter: string) =>
    letter.toUpperCase(),
  );
  const bodies = (actions.length === 0 ? ['index'] : actions).map((action) => {
    const isRest = ['index', 'show', 'new', 'create', 'edit', 'update', 'destroy'].includes(action);
    const head = isRest ? action : `'GET /${action.replaceAll('_', '-')}'`;
    return `  ${head}: (c) => c.json({ action: '${action}' }),\n`;
  });
  const words = { constant, actions: bodies.join('') };
  return { [`app/controllers/${name}.ts`]: fill('scaffold/bare-controller.ts', words) };
}

export function jobFile(name: string): Readonly<Record<string, string>> {
  const { row } = namesOf(name);
  return { [`app/jobs/${name}.ts`]: fill('scaffold/job.ts', { name, constant: row }) };
}

export function mailFile(name: string): Readonly<Record<string, string>> {
  const { row, words } = namesOf(name);
  return {
    [`app/mails/${name}.tsx`]: fill('scaffold/mail.tsx', { constant: row, words: capital(words) }),
  };
}

export function islandFile(name: string): Readonly<Record<string, string>> {
  const { type, words } = namesOf(name);
  return {
    [`app/islands/${name}.tsx`]: fill('scaffold/island.tsx', { type, words: capital(words) }),
  };
}

/** By which field everybody may know the rows of a model, if there is one. */
export function labelField(fields: Readonly<Record<string, Field>>): string | undefined {
  return Object.entries(fields).find(
    ([
      ,
      {
        kind,
        options: { hidden, optional, format },
      },
    ]) => kind === 'string' && hidden !== true && optional !== true && !PRIVATE.has(format),
  )?.[0];
}

/** Everything for a noun: what `moln generate scaffold` writes beside the migration. */
export function scaffoldFiles(
  name: string,
  fields: readonly FieldWord[],
  /** By model: the field by which people know its rows, if there is one. */
  labels: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  if (fields.length === 0) {
    throw new MolnError('WORKBENCH_BAD_FIELD', `A ${name} without fields is nothing`, {
      hint: `Write it as "moln generate scaffold ${name} title:string body:text"`,
    });
  }
  const names = namesOf(name);
  const words = {
    ...names,
    ...shownWords(names, fields),
    ...choiceWords(names, fields, labels),
    plural: names.many.replaceAll('_', ' '),
    a: /^[aeiou]/.test(name) ? 'an' : 'a',
  };
  return {
    ...modelFile(name, fields),
    [`app/controllers/${names.many}.ts`]: fill('scaffold/controller.ts', words),
    [`app/views/${names.many}.tsx`]: fill('scaffold/views.tsx', words),
    [`tests/${names.many}.test.ts`]: testText(words, fields),
  };
}

/** The parts of the views that follow from the fields. */
function shownWords(
  { row, path, words, many }: Names,
  fields: readonly FieldWord[],
): TemplateWords {
  const shown = ({ name, kind, flags }: FieldWord): string => {
    const value = `${row}.${name}`;
    const isMaybe = flags.includes('optional') ? '?' : '';
    if (kind === 'boolean') return `{${value} ? 'yes' : 'no'}`;
    if (kind === 'datetime')
      return `{${value}${isMaybe}.toISOString().slice(0, 16).replace('T', ' ')}`;
    if (kind === 'file')
      return `{${value} && <a href={files.url(${value}.key)}>{${value}.name}</a>}`;
    return kind === 'json' ? `{JSON.stringify(${value})}` : `{${value}}`;
  };
  const hasFiles = fields.some(({ kind }) => kind === 'file');
  // A list of long texts is no list.
  const short = fields.filter(({ kind }) => !LONG.has(kind));
  const columns = (short.length === 0 ? fields : short).slice(0, COLUMNS_MAX);
  const cells = columns.map((each, at) =>
    at === 0
      ? `              <td>\n                <a href={\`${path}/\${${row}.id}\`}>${shown(each)}</a>\n              </td>\n`
      : `              <td>${shown(each)}</td>\n`,
  );
  const define = ({ kind }: FieldWord): string => (kind === 'text' ? '<dd class="text">' : '<dd>');
  const label = (text: string): string => capital(text.replace(/_id$/, '').replaceAll('_', ' '));
  return {
    Words: capital(words),
    files: hasFiles ? ' files' : '',
    imports: hasFiles ? 'Button, files, Form, Inputs' : 'Button, Form, Inputs',
    Many: label(many),
    heads: columns.map(({ name }) => `            <th>${label(name)}</th>\n`).join(''),
    cells: cells.join(''),
    list: fields
      .map(
        (each) =>
          `        <dt>${label(each.name)}</dt>\n        ${define(each)}${shown(each)}</dd>\n`,
      )
      .join(''),
  };
}

/** What lets one choose, in a form, the rows that a new one belongs to. */
function choiceWords(
  { one }: Names,
  fields: readonly FieldWord[],
  labels: Readonly<Record<string, string | undefined>>,
): TemplateWords {
  const links = fields.filter(({ target }) => target !== undefined);
  if (links.length === 0) return { async: '', choose: '', choices: '', models: '' };
  const targets = [...new Set(links.map(({ target = '' }) => target))];
  const lists = targets.map((target) => {
    const { constant, type } = namesOf(target);
    return `  const ${constant} = await ${target === one ? type : inView(type)}.order('-id').limit(${CHOICES_MAX}).all();\n`;
  });
  const entries = links.map(({ name, target = '' }) => {
    const label = labels[target];
    // Not taken apart: a field may be called `class`.
    const text = label === undefined ? 'String(row.id)' : `row.${label}`;
    return `    ${name}: ${namesOf(target).constant}.map((row) => [row.id, ${text}] as const),\n`;
  });
  const others = targets.filter((target) => target !== one);
  return {
    async: ' async',
    choose: ' choices={await choices()}',
    choices: `\nasync function choices() {\n${lists.join('')}  return {\n${entries.join('')}  };\n}\n`,
    models: others
      .map((target) => {
        const { type } = namesOf(target);
        const name = inView(type) === type ? type : `${type} as ${inView(type)}`;
        return `import { ${name} } from '../models/${target}.ts';\n`;
      })
      .join(''),
  };
}

function inView(type: string): string {
  return IN_VIEWS.has(type) ? `${type}Model` : type;
}

function testText(words: TemplateWords, fields: readonly FieldWord[]): string {
  if (fields.some(({ kind, target }) => target !== undefined || kind === 'file'))
    return fill('scaffold/list-test.ts', words);
  const filled = fields.map((each) => `${each.name}: ${sampleOf(each)}`).join(', ');
  const whole = fill('scaffold/test.ts', { ...words, filled });
  const required = fields.find(
    ({ kind, flags }) => kind !== 'boolean' && !flags.includes('optional'),
  );
  if (required === undefined) return whole;
  return whole + fill('scaffold/refused.ts', { ...words, required: required.name });
}

export function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function importName(word: string): string {
  return word.replace('type ', '').toLowerCase();
}
