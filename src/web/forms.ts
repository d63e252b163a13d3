/**
 * Components for views: forms that carry their token, inputs that follow from a model's field and show what was wrong with them,
 * flashes, links between pages. All of it is plain HTML that works without JavaScript.
 */
import { assetPath } from './assets.ts';
import { currentContext } from './context.ts';
import { type Field, isClosed, labelOf } from './fields.ts';
import { type Child, element, Fragment, type JSX } from './jsx-runtime.ts';
import type { Given, Model } from './model.ts';
import type { Page } from './row-query.ts';

export type View = JSX.Element;
type Props = Readonly<Record<string, unknown>>;
type FormMethod = 'get' | 'post' | 'patch' | 'delete';

/** From this many characters on a field of text gets more than one line. */
const ROWS_OF_TEXT = 8;

function tag(name: string, props: Props, ...children: readonly unknown[]): View {
  return element(name, { ...props }, ...(children as Child[])) as unknown as View;
}

function all(...children: readonly unknown[]): View {
  return element(Fragment, {}, ...(children as Child[])) as unknown as View;
}

export interface FormProps {
  readonly action: string;
  readonly method?: FormMethod;
  /** The form sends files. */
  readonly files?: boolean;
  readonly class?: string;
  /** What is changed: with `locking`, an older version than the one that is kept is refused. */
  readonly row?: object | undefined;
  readonly children?: unknown;
}

/** A form with its token; methods that browsers do not have travel in a hidden field. */
export function Form({ action, method = 'post', files, row, children, ...rest }: FormProps): View {
  const isGet = method === 'get';
  const version = (row as { readonly version?: number } | undefined)?.version;
  return tag(
    'form',
    {
      ...rest,
      action,
      method: isGet ? 'get' : 'post',
      ...(files === true ? { enctype: 'multipart/form-data' } : {}),
    },
    isGet
      ? null
      : tag('input', { type: 'hidden', name: '_csrf', value: currentContext().session.token }),
    isGet || method === 'post'
      ? null
      : tag('input', { type: 'hidden', name: '_method', value: method }),
    version === undefined
      ? null
      : tag('input', { type: 'hidden', name: 'version', value: version }),
    children,
  );
}

export interface InputProps {
  readonly model: Model<never> | { readonly fields: Readonly<Record<string, Field>> };
  readonly name: string;
  /** What is changed; without it the field is empty. */
  readonly row?: object | undefined;
  readonly type?: string;
  readonly autocomplete?: string;
  readonly autofocus?: boolean;
  /** To choose from, for references: `[id, what a person reads]`. */
  readonly choices?: readonly (readonly [value: string | number, label: string])[];
}

/** Label, input and what was wrong with it, for one field of a model. */
export function Input(props: InputProps): View {
  const fields = props.model.fields as Readonly<Record<string, Field>>;
  const one = fields[props.name];
  if (one === undefined) throw new Error(`There is no field "${props.name}" in this model`);
  const { refused } = currentContext();
  const problems = refused?.errors[props.name] ?? [];
  const id = `field-${props.name}`;
  const common = {
    id,
    name: props.name,
    ...(props.autofocus === true ? { autofocus: true } : {}),
    ...(props.autocomplete === undefined ? {} : { autocomplete: props.autocomplete }),
    ...(problems.length === 0 ? {} : { 'aria-invalid': 'true', 'aria-describedby': `${id}-error` }),
  };
  const value = shownValue(one, props, refused?.values);
  return tag(
    'div',
    { class: one.kind === 'boolean' ? 'field field-box' : 'field' },
    tag('label', { for: id }, labelOf(props.name, one)),
    control(one, props, common, value),
    problems.length === 0
      ? null
      : tag('p', { class: 'field-error', id: `${id}-error` }, problems.join('; ')),
  );
}

/** Inputs for all fields of a model that people fill in. */
export function Inputs(props: {
  readonly model: InputProps['model'];
  readonly row?: object | undefined;
  /** To choose from, by field: what `choices` of `Input` is. */
  readonly choices?: Readonly<Record<string, InputProps['choices']>>;
}): View {
  const names = Object.entries(props.model.fields as Readonly<Record<string, Field>>)
    .filter(([, one]) => !isClosed(one))
    .map(([name]) => name);
  const version = (props.row as { readonly version?: number } | undefined)?.version;
  return all(
    ...names.map((name) => {
      const choices = props.choices?.[name];
      return Input({
        model: props.model,
        name,
        row: props.row,
        ...(choices === undefined ? {} : { choices }),
      });
    }),
    version === undefined
      ? null
      : tag('input', { type: 'hidden', name: 'version', value: version }),
  );
}

/** What was wrong with a form, in one box above it. */
export function Errors(): View | null {
  const { refused } = currentContext();
  if (refused === undefined) return null;
  const sentences = Object.values(refused.errors).flat();
  return tag(
    'div',
    { class: 'errors', role: 'alert' },
    tag('ul', {}, ...sentences.map((each) => tag('li', {}, each))),
  );
}

/** Sentences that actions have flashed. */
export function Flashes(): View {
  return all(
    ...currentContext()
      .takeFlashes()
      .map(({ kind, text }) =>
        tag(
          'p',
          { class: `flash flash-${kind}`, role: kind === 'error' ? 'alert' : 'status' },
          text,
        ),
      ),
  );
}

/** A button that is a form by itself: for what changes something. */
export function Button(props: {
  readonly action: string;
  readonly method?: FormMethod;
  readonly class?: string;
  /** What it does, for who does not see what is around it. */
  readonly label?: string;
  readonly children?: unknown;
}): View {
  const { action, method = 'post', children } = props;
  const button = tag('button', given({ class: props.class, 'aria-label': props.label }), children);
  return Form({ action, method, class: 'inline', children: button });
}

/** Links to the pages beside this one; nothing when there is one page. */
export function Pages({ page }: { readonly page: Page<unknown> }): View | null {
  if (page.pages < 2) return null;
  const { url } = currentContext();
  const link = (number: number, label: string, rel: string): View => {
    const query = new URLSearchParams(url.searchParams);
    query.set('page', String(number));
    return tag('a', { href: `${url.pathname}?${query}`, rel }, label);
  };
  return tag(
    'nav',
    { class: 'pages', 'aria-label': 'Pages' },
    page.number > 1 ? link(page.number - 1, 'Previous', 'prev') : null,
    tag('span', {}, ` ${page.number} of ${page.pages} `),
    page.number < page.pages ? link(page.number + 1, 'Next', 'next') : null,
  );
}

/** A stylesheet of `app/public`, by an address that changes with its content. */
export function Stylesheet({ name }: { readonly name: string }): View {
  return tag('link', { rel: 'stylesheet', href: assetPath(name) });
}

function control(one: Field, props: InputProps, common: Props, value: unknown): View {
  const { options } = one;
  const required = options.optional === true || 'default' in options ? {} : { required: true };
  const choices = props.choices ?? options.oneOf?.map((word) => [word, word] as const);
  if (choices !== undefined) {
    const empty = 'required' in required ? [] : [tag('option', { value: '' }, '')];
    // What the row has stays, though nobody offers it: else saving would change it to the first.
    const isOffered = choices.some(([key]) => String(key) === String(value));
    const kept = isOffered || text(value) === '' ? [] : [[text(value), text(value)] as const];
    const list = [...kept, ...choices].map(([key, label]) =>
      tag(
        'option',
        { value: String(key), ...(String(key) === String(value) ? { selected: true } : {}) },
        label,
      ),
    );
    return tag('select', { ...common, ...required }, ...empty, ...list);
  }
  switch (one.kind) {
    case 'text':
      return tag(
        'textarea',
        { ...common, ...required, rows: ROWS_OF_TEXT, maxlength: options.max },
        text(value),
      );
    case 'boolean':
      // An empty twin in front, for browsers do not send boxes that are not ticked.
      return all(
        tag('input', { type: 'hidden', name: props.name, value: '0' }),
        tag('input', {
          ...common,
          type: 'checkbox',
          value: '1',
          ...(isTicked(value) ? { checked: true } : {}),
        }),
      );
    case 'integer':
    case 'number':
    case 'reference': {
      const bounds = {
        min: options.min,
        max: options.max,
        step: one.kind === 'number' ? 'any' : '1',
      };
      return tag('input', {
        ...common,
        ...required,
        type: 'number',
        ...given(bounds),
        value: text(value),
      });
    }
    case 'datetime':
      return tag('input', { ...common, ...required, type: 'datetime-local', value: text(value) });
    case 'file':
      return tag('input', {
        ...common,
        // What is there stays when nothing is chosen.
        ...(props.row === undefined ? required : {}),
        type: 'file',
        ...given({ accept: options.types?.join(',') }),
      });
    case 'json':
      return tag('textarea', { ...common, ...required, rows: ROWS_OF_TEXT }, text(value));
    case 'string': {
      const type = props.type ?? options.format ?? 'text';
      const lengths = given({ minlength: options.min, maxlength: options.max });
      return tag('input', {
        ...common,
        ...required,
        ...lengths,
        type,
        value: type === 'password' ? '' : text(value),
      });
    }
  }
}

/** What was sent wins over what the row has. */
function shownValue(one: Field, { row, name }: InputProps, sent: Given | undefined): unknown {
  if (sent !== undefined && name in sent) return sent[name];
  const value =
    (row as Given | undefined)?.[name] ?? (row === undefined ? one.options.default : undefined);
  // Seconds only where there are some, but then they stay: else saving would change them.
  if (value instanceof Date) return value.toISOString().replace(/(?::00\.000|\.000)?Z$/, '');
  return one.kind === 'json' && value !== undefined ? JSON.stringify(value, undefined, 2) : value;
}

function isTicked(value: unknown): boolean {
  return value === true || value === '1' || value === 'on' || value === 'true';
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function given(props: Props): Props {
  return Object.fromEntries(Object.entries(props).filter(([, value]) => value !== undefined));
}
