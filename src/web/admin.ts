/**
 * Pages to look at and change the rows of models, for those who run an app. There is none unless the app has a controller for it,
 * and that says who may.
 */
import { MolnError } from '../base/errors.ts';
import { type Before, type Context, currentContext } from './context.ts';
import { type Field, isClosed, labelOf } from './fields.ts';
import { Button, Flashes, Form, type InputProps, Inputs, Pages, type View } from './forms.ts';
import { type Child, element } from './jsx-runtime.ts';
import type { Fields, Given, Model, RowBase } from './model.ts';
import { mayChange } from './policy.ts';
import { fieldsOfCode } from './row-errors.ts';
import type { Controller } from './routes.ts';

/** Columns of a list. */
const COLUMNS_MAX = 6;
const CELL_CHARACTERS_MAX = 60;
/** Rows that a reference can be chosen from; of more, one types the id. */
const CHOICES_MAX = 200;

export interface AdminOptions {
  /** The models that have pages. */
  readonly models: readonly { readonly name: string; readonly table: string }[];
  /** Who may: without it nobody could be kept out, so it cannot be left out. */
  readonly before: readonly [Before, ...Before[]];
  /** Default `/admin`. */
  readonly path?: string;
}

type AnyModel = Model<Fields>;
type AnyRow = RowBase & Given;

/** `export const admin = adminPages({ models: [Post, User], before: [requireAdmin] });` in `app/controllers/admin.ts`. */
export function adminPages({ models, before, path = '/admin' }: AdminOptions): Controller {
  const byTable = new Map(models.map((one) => [one.table, one as unknown as AnyModel]));
  const modelOf = ({ params }: Context): AnyModel => {
    const one = byTable.get(params['table'] ?? '');
    if (one !== undefined) return one;
    throw new MolnError('WEB_NOT_FOUND', `There is no table "${params['table']}" here`);
  };
  const rowOf = async (c: Context): Promise<AnyRow> =>
    (await modelOf(c).get(c.params['id'])) as AnyRow;
  return {
    path,
    before,
    index: () =>
      page(
        path,
        byTable,
        'Tables',
        tag(
          'ul',
          {},
          [...byTable.keys()].map((table) => tag('li', {}, link(`${path}/${table}`, table))),
        ),
      ),
    'GET /:table': async (c) => {
      const one = modelOf(c);
      const found = await one.order('-id').page(c.query('page'));
      return page(path, byTable, one.table, [
        listOf(one, found.rows as readonly AnyRow[], `${path}/${one.table}`),
        Pages({ page: found }),
        isMadeHere(one) && (await mayChange('create', one))
          ? tag('p', {}, link(`${path}/${one.table}/new`, `New ${one.name}`))
          : null,
      ]);
    },
    'GET /:table/new': (c) => {
      const one = modelOf(c);
      return isMadeHere(one) ? editPage(one, undefined) : undefined;
    },
    'POST /:table': async (c) => {
      const one = modelOf(c);
      const made = await one.tryCreate(await c.form());
      if (!made.ok) return c.invalid(made, () => editPage(one, undefined));
      c.flash(`The ${one.name} was created`);
      return c.done(`${path}/${one.table}`, made.row);
    },
    'GET /:table/:id': async (c) => await editPage(modelOf(c), await rowOf(c)),
    'PATCH /:table/:id': async (c) => {
      const one = modelOf(c);
      const row = await rowOf(c);
      const changed = await one.tryUpdate(row, await c.form());
      if (!changed.ok) return c.invalid(changed, () => editPage(one, row));
      c.flash(`The ${one.name} was changed`);
      return c.done(`${path}/${one.table}`, changed.row);
    },
    'DELETE /:table/:id': async (c) => {
      const one = modelOf(c);
      await one.delete(await rowOf(c));
      c.flash(`The ${one.name} was deleted`);
      return c.done(`${path}/${one.table}`);
    },
  };

  /** Without what the policy of the model refuses. */
  async function editPage(one: AnyModel, row: AnyRow | undefined): Promise<View> {
    const base = `${path}/${one.table}`;
    const mayChangeIt = await mayChange(row === undefined ? 'create' : 'update', one, row);
    const form = Form({
      files: Object.values<Field>(one.fields).some(({ kind }) => kind === 'file'),
      action: row === undefined ? base : `${base}/${row.id}`,
      method: row === undefined ? 'post' : 'patch',
      children: [
        Inputs({ model: one, row, choices: await choicesOf(one, byTable.values()) }),
        mayChangeIt ? tag('button', {}, 'Save') : null,
      ],
    });
    const remove =
      row === undefined || !(await mayChange('delete', one, row))
        ? null
        : Button({ action: `${base}/${row.id}`, method: 'delete', children: 'Delete' });
    return page(path, byTable, row === undefined ? `New ${one.name}` : `${one.name} ${row.id}`, [
      form,
      remove,
    ]);
  }
}

/** False when a new row wants what only code of the app can give, and no hook of the model does. */
function isMadeHere({ fields, options }: AnyModel): boolean {
  return fieldsOfCode(fields).length === 0 || options.beforeSave !== undefined;
}

/** The rows that references lead to, where admin pages have them and they are few. */
async function choicesOf(
  one: AnyModel,
  models: Iterable<AnyModel>,
): Promise<Readonly<Record<string, InputProps['choices']>>> {
  const byName = new Map([...models].map((each) => [each.name, each]));
  const found = Object.entries<Field>(one.fields).map(async ([name, field]) => {
    const target = byName.get(field.target ?? '');
    if (target === undefined || isClosed(field)) return undefined;
    const rows = (await target.rows.limit(CHOICES_MAX + 1).all()) as readonly AnyRow[];
    if (rows.length > CHOICES_MAX) return undefined;
    const shown = Object.entries<Field>(target.fields).find(
      ([, { kind, options }]) => kind === 'string' && options.hidden !== true,
    )?.[0];
    const label = (row: AnyRow): string =>
      shown === undefined ? String(row.id) : `${cell(row[shown])} (${row.id})`;
    return [name, rows.map((row) => [row.id, label(row)] as const)] as const;
  });
  return Object.fromEntries((await Promise.all(found)).filter((each) => each !== undefined));
}

function listOf(one: AnyModel, rows: readonly AnyRow[], base: string): View {
  const shown = Object.entries<Field>(one.fields)
    .filter(
      ([, field]) =>
        field.options.hidden !== true && field.kind !== 'json' && field.kind !== 'file',
    )
    .slice(0, COLUMNS_MAX);
  const head = tag('tr', {}, [
    tag('th', {}, 'Id'),
    ...shown.map(([name, field]) => tag('th', {}, labelOf(name, field))),
  ]);
  const lines = rows.map((row) =>
    tag('tr', {}, [
      tag('td', {}, link(`${base}/${row.id}`, String(row.id))),
      ...shown.map(([name]) => tag('td', {}, cell(row[name]))),
    ]),
  );
  const table = tag('table', {}, [tag('thead', {}, head), tag('tbody', {}, lines)]);
  return tag('div', { class: 'wide' }, table);
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString().slice(0, 16).replace('T', ' ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > CELL_CHARACTERS_MAX ? `${text.slice(0, CELL_CHARACTERS_MAX - 1)}…` : text;
}

function page(
  path: string,
  tables: ReadonlyMap<string, unknown>,
  title: string,
  children: unknown,
): View {
  const nav = [...tables.keys()].map((table) => [link(`${path}/${table}`, table), ' ']);
  return tag('html', { lang: 'en' }, [
    tag('head', {}, [
      tag('meta', { charset: 'utf-8' }),
      tag('meta', { name: 'viewport', content: 'width=device-width' }),
      tag('title', {}, `${title} · ${currentContext().url.host}`),
      tag('link', { rel: 'icon', href: 'data:,' }),
      tag('style', {}, STYLE),
    ]),
    tag('body', {}, [
      tag('nav', {}, nav),
      tag('main', {}, [Flashes(), tag('h1', {}, title), children]),
    ]),
  ]);
}

function link(href: string, text: string): View {
  return tag('a', { href }, text);
}

function tag(name: string, props: Readonly<Record<string, unknown>>, children?: unknown): View {
  return element(
    name,
    { ...props },
    ...((Array.isArray(children) ? children : [children]) as Child[]),
  ) as unknown as View;
}

const STYLE =
  ':root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:1rem auto;padding:0 1rem}' +
  'nav a{margin-right:.75rem}.wide{overflow-x:auto}button{font:inherit;padding:.3rem .8rem}' +
  'table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #8884}' +
  '.field{margin:0 0 1rem}label{display:block;font-weight:600}input:not([type=checkbox]),textarea,select{width:100%;font:inherit;' +
  'padding:.4rem;box-sizing:border-box}.field-error,.flash-error{color:light-dark(#b3261e,#ff8a80)}.inline{display:inline-block;margin-top:1rem}';
