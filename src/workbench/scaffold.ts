/** Model, controller, views and test of one noun, as source text that a person would write. Pure. */
import { MolnError } from '../base/errors.ts';
import { plural } from '../web/web.ts';
import { type FieldWord, fieldSource, sampleOf } from './field-words.ts';

const NAME = /^[a-z][a-z0-9_]{0,40}$/;
/** Columns of the table that lists them all. */
const COLUMNS_MAX = 4;

interface Names {
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
  const types = camel(many);
  return {
    one: name,
    many,
    type: camel(name),
    types,
    constant: types.slice(0, 1).toLowerCase() + types.slice(1),
    words: name.replaceAll('_', ' '),
    path: `/${many.replaceAll('_', '-')}`,
  };
}

export function modelFile(
  name: string,
  fields: readonly FieldWord[],
): Readonly<Record<string, string>> {
  const { one, type } = namesOf(name);
  const kinds = [...new Set(fields.map(({ kind }) => kind)), 'model', 'type RowOf'].sort((a, b) =>
    importName(a) < importName(b) ? -1 : 1,
  );
  const lines = fields.map((each) => `  ${each.name}: ${fieldSource(each)},\n`).join('');
  return {
    [`app/models/${one}.ts`]: `import { ${kinds.join(', ')} } from 'moln';

export const ${type} = model('${one}', {
${lines}});

export type ${type} = RowOf<typeof ${type}>;
`,
  };
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
  return {
    [`app/controllers/${name}.ts`]: `import { controller } from 'moln';

export const ${constant} = controller({
${bodies.join('')}});
`,
  };
}

/** Everything for a noun: what `moln generate scaffold` writes beside the migration. */
export function scaffoldFiles(
  name: string,
  fields: readonly FieldWord[],
): Readonly<Record<string, string>> {
  if (fields.length === 0) {
    throw new MolnError('WORKBENCH_BAD_FIELD', `A ${name} without fields is nothing`, {
      hint: `Write it as "moln generate scaffold ${name} title:string body:text"`,
    });
  }
  const names = namesOf(name);
  return {
    ...modelFile(name, fields),
    [`app/controllers/${names.many}.ts`]: controllerSource(names),
    [`app/views/${names.many}.tsx`]: viewsSource(names, fields),
    [`tests/${names.many}.test.ts`]: testSource(names, fields),
  };
}

function controllerSource({ one, many, type, types, constant, words, path }: Names): string {
  const row =
    constant === one
      ? 'row'
      : one.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase());
  return `import { controller } from 'moln';
import { ${type} } from '../models/${one}.ts';
import { Edit${type}, New${type}, Show${type}, ${types}Page } from '../views/${many}.tsx';

export const ${constant} = controller({
  async index(c) {
    const page = await ${type}.order('-id').page(c.query('page'));
    return c.respond(page, () => ${types}Page({ page }));
  },

  async show(c) {
    const ${row} = await ${type}.get(c.params.id);
    return c.respond(${row}, () => Show${type}({ ${row} }));
  },

  new: () => New${type}(),

  async create(c) {
    const made = await ${type}.tryCreate(await c.form());
    if (!made.ok) return c.invalid(made, () => New${type}());
    c.flash('The ${words} was created');
    return c.done(\`${path}/\${made.row.id}\`, made.row);
  },

  async edit(c) {
    const ${row} = await ${type}.get(c.params.id);
    return Edit${type}({ ${row} });
  },

  async update(c) {
    const ${row} = await ${type}.get(c.params.id);
    const changed = await ${type}.tryUpdate(${row}, await c.form());
    if (!changed.ok) return c.invalid(changed, () => Edit${type}({ ${row} }));
    c.flash('The ${words} was changed');
    return c.done(\`${path}/\${${row}.id}\`, changed.row);
  },

  async destroy(c) {
    await ${type}.delete(await ${type}.get(c.params.id));
    c.flash('The ${words} was deleted');
    return c.done('${path}');
  },
});
`;
}

function viewsSource(
  { one, type, types, constant, words, path }: Names,
  fields: readonly FieldWord[],
): string {
  const row =
    constant === one
      ? 'row'
      : one.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase());
  const label = (text: string): string =>
    text.slice(0, 1).toUpperCase() + text.slice(1).replaceAll('_', ' ');
  const shown = ({ name, kind }: FieldWord): string => {
    const value = `${row}.${name}`;
    if (kind === 'boolean') return `${value} ? 'yes' : 'no'`;
    if (kind === 'datetime') return `${value}?.toISOString().slice(0, 16).replace('T', ' ')`;
    return kind === 'json' ? `JSON.stringify(${value})` : value;
  };
  const heads = fields
    .slice(0, COLUMNS_MAX)
    .map((each) => `            <th>${label(each.name.replace(/_id$/, ''))}</th>\n`);
  const cells = fields.slice(0, COLUMNS_MAX).map((each, at) => {
    const text = `{${shown(each)}}`;
    return at === 0
      ? `              <td>\n                <a href={\`${path}/\${${row}.id}\`}>${text}</a>\n              </td>\n`
      : `              <td>${text}</td>\n`;
  });
  const list = fields.map(
    (each) =>
      `        <dt>${label(each.name.replace(/_id$/, ''))}</dt>\n        <dd>{${shown(each)}}</dd>\n`,
  );
  return `import { Button, Form, Inputs, type Page, Pages } from 'moln';
import { ${type} } from '../models/${one}.ts';
import { Layout } from './layout.tsx';

export function ${types}Page({ page }: { page: Page<${type}> }) {
  return (
    <Layout title="${label(words)}s">
      <h1>${label(types.replace(/(?<!^)([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`))}</h1>
      <table>
        <thead>
          <tr>
${heads.join('')}          </tr>
        </thead>
        <tbody>
          {page.rows.map((${row}) => (
            <tr>
${cells.join('')}            </tr>
          ))}
        </tbody>
      </table>
      <Pages page={page} />
      <p>
        <a href="${path}/new">New ${words}</a>
      </p>
    </Layout>
  );
}

export function Show${type}({ ${row} }: { ${row}: ${type} }) {
  return (
    <Layout title="${label(words)}">
      <h1>${label(words)}</h1>
      <dl>
${list.join('')}      </dl>
      <p>
        <a href={\`${path}/\${${row}.id}/edit\`}>Edit</a> <a href="${path}">All</a>{' '}
        <Button action={\`${path}/\${${row}.id}\`} method="delete">
          Delete
        </Button>
      </p>
    </Layout>
  );
}

export function New${type}() {
  return (
    <Layout title="New ${words}">
      <h1>New ${words}</h1>
      <Form action="${path}">
        <Inputs model={${type}} />
        <button>Create</button>
      </Form>
    </Layout>
  );
}

export function Edit${type}({ ${row} }: { ${row}: ${type} }) {
  return (
    <Layout title="Edit ${words}">
      <h1>Edit ${words}</h1>
      <Form action={\`${path}/\${${row}.id}\`} method="patch">
        <Inputs model={${type}} row={${row}} />
        <button>Save</button>
      </Form>
    </Layout>
  );
}
`.replace(
    `title="${label(words)}s"`,
    `title="${label(types.replace(/(?<!^)([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`))}"`,
  );
}

function testSource({ type, one, path, words }: Names, fields: readonly FieldWord[]): string {
  const links = fields.filter(({ target }) => target !== undefined);
  const plain = fields.filter(({ target }) => target === undefined);
  const [first] = plain;
  const filled = plain.map((each) => `${each.name}: ${sampleOf(each).form}`);
  if (links.length > 0 || first === undefined) {
    return `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApp } from 'moln/test';

test('the list of them answers', async () => {
  await using app = await testApp();
  assert.equal((await app.get('${path}')).status, 200);
});
`;
  }
  const required = plain.find(
    ({ kind, flags }) => kind !== 'boolean' && !flags.includes('optional'),
  );
  const refused =
    required === undefined
      ? ''
      : `
test('a ${words} without ${required.name} is refused, and the form says why', async () => {
  await using app = await testApp();
  const form = await app.get('${path}/new');
  const page = await form.submit({ ${required.name}: '' });
  assert.equal(page.status, 422);
  assert.match(page.text, /is missing/);
  assert.equal(await ${type}.count(), 0);
});
`;
  return `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApp } from 'moln/test';
import { ${type} } from '../app/models/${one}.ts';

test('a ${words} is created, changed and deleted', async () => {
  await using app = await testApp();
  const form = await app.get('${path}/new');
  const shown = await form.submit({ ${filled.join(', ')} });
  assert.equal(shown.status, 200);
  assert.match(shown.text, /The ${words} was created/);

  const row = await ${type}.rows.first();
  assert.ok(row);
  const edit = await app.get(\`${path}/\${row.id}/edit\`);
  assert.match((await edit.submit({})).text, /The ${words} was changed/);

  const page = await app.get(\`${path}/\${row.id}\`);
  await page.submit({});
  assert.equal(await ${type}.count(), 0);
});
${refused}`;
}

function importName(word: string): string {
  return word.replace('type ', '').toLowerCase();
}
