/**
 * JSX of apps, as text: what the compiler asks for as `moln/jsx-runtime`. An element whose children are known is text at once; a component
 * is called when its turn comes, so one that is left out of the page never runs, and may be asynchronous at any depth.
 * Everything that is put into a page is escaped unless it went through `raw`. The types of HTML are Hono's, nothing else.
 */
import type { Child, FC, PropsWithChildren } from 'hono/jsx';
import type { JSX } from 'hono/jsx/jsx-runtime';

export type { Child, FC, JSX, PropsWithChildren };

type Props = Readonly<Record<string, unknown>>;
type Component = (props: never) => unknown;

/** Text that is HTML already. */
class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** An element that waits for its turn: a component, or what has one in it. */
class Pending {
  readonly tag: string | Component;
  readonly props: Props;

  constructor(tag: string | Component, props: Props) {
    this.tag = tag;
    this.props = props;
  }
}

/** HTML that is to stand in the page as it is: whoever gives it answers for it. */
export function raw(html: string): JSX.Element {
  return new Html(html) as unknown as JSX.Element;
}

export function Fragment({ children }: { readonly children?: Child }): Child {
  return children;
}

/**
 * A part of the page that is slow: what stands before it is sent at once, with `fallback` in its place, and the rest when the part is there.
 * Slow parts of one page are made at the same time. Where nothing can come later, as in a mail, it is what is inside.
 *
 *     <Suspense fallback={<p>Counting …</p>}><Statistics /></Suspense>
 */
export function Suspense(props: {
  readonly fallback?: Child;
  readonly children?: Child;
}): JSX.Element {
  return props.children as JSX.Element;
}

/** Takes the slow parts of a page; gives what stands in its text for one. */
export interface LaterParts {
  place(part: Promise<string>, fallback: string): string;
}

/** What the compiler makes of `<tag …>`; children are among the properties. */
export function jsx(tag: string | Component, props: Props): JSX.Element {
  return made(tag, props) as unknown as JSX.Element;
}
export { jsx as jsxs, jsx as jsxDEV };

/** The same for code without JSX. */
export function element(
  tag: string | Component,
  props: Props,
  ...children: readonly unknown[]
): JSX.Element {
  return jsx(tag, children.length === 0 ? props : { ...props, children });
}

function made(tag: string | Component, props: Props): Html | Pending {
  const isComponent = typeof tag !== 'string' && tag !== Fragment;
  const inner = isComponent ? undefined : readyText(inside(props));
  if (inner === undefined) {
    expectFailures(props['children']);
    return new Pending(tag, props);
  }
  return new Html(typeof tag === 'string' ? tagText(tag, props, inner) : inner);
}

/** A promise may fail before its turn comes: that is told then, and must not end the process as one that nobody waits for. */
function expectFailures(child: unknown): void {
  if (child instanceof Promise) child.catch(() => undefined);
  else if (Array.isArray(child)) for (const each of child) expectFailures(each);
}

/** True for what JSX makes, not for data. */
export function isElement(value: unknown): boolean {
  return value instanceof Html || value instanceof Pending;
}

/** The text of what a view gave; a text that a view gave is HTML already. `later` takes what the text need not wait for. */
export async function renderText(view: unknown, later?: LaterParts): Promise<string> {
  const node = await view;
  return typeof node === 'string' ? node : await textOf(node, later);
}

/** The text of children, unless a component or a promise is among them. */
function readyText(child: unknown): string | undefined {
  if (typeof child === 'string') return escaped(child);
  if (child instanceof Html) return child.text;
  if (Array.isArray(child)) {
    let text = '';
    for (const each of child) {
      const next = readyText(each);
      if (next === undefined) return undefined;
      text += next;
    }
    return text;
  }
  if (child instanceof Pending || child instanceof Promise) return undefined;
  return isNothing(child) ? '' : escaped(String(child));
}

function textOf(node: unknown, later: LaterParts | undefined): string | Promise<string> {
  if (node instanceof Promise) return node.then((one) => textOf(one, later));
  if (Array.isArray(node)) return joined(node, later);
  if (!(node instanceof Pending)) return readyText(node) ?? '';
  const { tag, props } = node;
  if (tag === Suspense && later !== undefined) return suspended(props, later);
  if (typeof tag !== 'string') return textOf(tag(props as never), later);
  const inner = textOf(inside(props), later);
  return typeof inner === 'string'
    ? tagText(tag, props, inner)
    : inner.then((text) => tagText(tag, props, text));
}

/** From the first promise on, all of the rest runs at once. */
function joined(
  nodes: readonly unknown[],
  later: LaterParts | undefined,
): string | Promise<string> {
  let text = '';
  for (const [at, node] of nodes.entries()) {
    const next = textOf(node, later);
    if (typeof next === 'string') text += next;
    else {
      // In an asynchronous function, so that one that throws leaves no other one's failure unheard.
      const rest = nodes.slice(at + 1).map(async (each) => await textOf(each, later));
      return Promise.all([next, ...rest]).then((texts) => text + texts.join(''));
    }
  }
  return text;
}

function suspended({ children, fallback }: Props, later: LaterParts): string | Promise<string> {
  const part = textOf(children, later);
  if (typeof part === 'string') return part;
  expectFailures(part);
  const meanwhile = textOf(fallback, undefined);
  return typeof meanwhile === 'string'
    ? later.place(part, meanwhile)
    : meanwhile.then((text) => later.place(part, text));
}

function inside(props: Props): unknown {
  const given = props['dangerouslySetInnerHTML'] as { readonly __html: string } | undefined;
  return given === undefined ? props['children'] : new Html(given.__html);
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'boolean';
}

/** Elements that are known, and whether they are without an end (HTML §13.1.2). */
const tags = new Map<string, boolean>(
  'area base br col embed hr img input link meta source track wbr'
    .split(' ')
    .map((tag) => [tag, true]),
);

function isVoid(tag: string): boolean {
  const known = tags.get(tag);
  if (known !== undefined) return known;
  if (!/^[a-z][\w:.-]*$/i.test(tag)) throw new TypeError(`"${tag}" is no name of an element`);
  if (tags.size < NAMES_MAX) tags.set(tag, false);
  return false;
}

function tagText(tag: string, props: Props, inner: string): string {
  const hasEnd = !isVoid(tag);
  let head = `<${tag}`;
  for (const name in props) {
    if (name === 'children' || name === 'key' || name === 'ref') continue;
    const value = props[name];
    if (value !== undefined && value !== null) head += attribute(tag, name, value);
  }
  return hasEnd ? `${head}>${inner}</${tag}>` : `${head}/>`;
}

/** With a value of `true` these are there, with `false` they are not; others say so in words, as `aria-hidden` does. */
const BOOLEAN: ReadonlySet<string> = new Set(
  (
    'allowfullscreen async autofocus autoplay checked controls default defer disabled download formnovalidate hidden inert ismap ' +
    'itemscope loop multiple muted nomodule novalidate open playsinline readonly required reversed selected'
  ).split(' '),
);
const RENAMED: ReadonlyMap<string, string> = new Map([
  ['className', 'class'],
  ['htmlFor', 'for'],
  ['crossOrigin', 'crossorigin'],
  ['httpEquiv', 'http-equiv'],
  ['itemProp', 'itemprop'],
  ['fetchPriority', 'fetchpriority'],
  ['formAction', 'formaction'],
]);
/** Properties of SVG that CSS has too: their attributes have a dash. */
const DASHED =
  /^(?:clip|fill|flood|stop|stroke|font|text|dominant|alignment|baseline|color|image|shape|pointer|vector|marker|letter|word|writing)(?:Path|Rule|Opacity|Color|Width|Linecap|Linejoin|Miterlimit|Dasharray|Dashoffset|Family|Size|Style|Weight|Variant|Anchor|Decoration|Rendering|Baseline|Shift|Interpolation|Events|Effect|Start|Mid|End|Spacing|Mode)$/;
/** What an attribute's name may not have (HTML §13.1.2.3). */
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const NO_NAME = /[\s"'<>/=\u0000-\u001F\u007F]|^$/;
const NAMES_MAX = 1000;
const names = new Map<string, string>();

/** The name that HTML has for it. Names come from code, but `{...props}` may bring any. */
function attributeName(tag: string, name: string): string {
  const known = names.get(name);
  if (known !== undefined) return known;
  if (NO_NAME.test(name)) throw new TypeError(`"${name}" of <${tag}> is no name of an attribute`);
  const dashed = DASHED.test(name)
    ? name.replace(/[A-Z]/g, (one) => `-${one.toLowerCase()}`)
    : name;
  const found =
    RENAMED.get(name) ?? (BOOLEAN.has(name.toLowerCase()) ? name.toLowerCase() : dashed);
  if (names.size >= NAMES_MAX) names.clear();
  names.set(name, found);
  return found;
}

function attribute(tag: string, given: string, value: unknown): string {
  if (given === 'dangerouslySetInnerHTML') return '';
  const name = attributeName(tag, given);
  if (typeof value === 'string') return ` ${name}="${escaped(value)}"`;
  if (typeof value === 'boolean' && BOOLEAN.has(name)) return value ? ` ${name}=""` : '';
  if (typeof value === 'function') {
    // Of an island: the browser puts it there.
    if (name.startsWith('on')) return '';
    throw new TypeError(`"${given}" of <${tag}> is a function, which HTML cannot have`);
  }
  if (value instanceof Promise)
    throw new TypeError(`"${given}" of <${tag}> is a promise: wait for it first`);
  const isStyle = name === 'style' && typeof value === 'object';
  return ` ${name}="${escaped(isStyle ? styleText(value as Props) : String(value))}"`;
}

/** Of CSS: numbers of all others are pixels. */
const UNITLESS =
  /^(?:--|opacity$|order$|zIndex$|z-index$|flex|lineHeight$|line-height$|fontWeight$|font-weight$|grid|columnCount$|scale$|tabSize$|zoom$|animationIterationCount$|aspectRatio$|strokeOpacity$|fillOpacity$)/;

function styleText(style: Props): string {
  return Object.entries(style)
    .filter(([, value]) => !isNothing(value))
    .map(([name, value]) => {
      const dashed = name.replace(/[A-Z]/g, (one) => `-${one.toLowerCase()}`);
      const isLength = typeof value === 'number' && value !== 0 && !UNITLESS.test(name);
      return `${name.startsWith('--') ? name : dashed}:${String(value)}${isLength ? 'px' : ''}`;
    })
    .join(';');
}

const SPECIAL = /[&<>"']/;

function escaped(text: string): string {
  const first = text.search(SPECIAL);
  if (first === -1) return text;
  let made = '';
  let from = 0;
  for (let at = first; at < text.length; at++) {
    const entity = entityOf(text.charCodeAt(at));
    if (entity === '') continue;
    made += text.slice(from, at) + entity;
    from = at + 1;
  }
  return made + text.slice(from);
}

function entityOf(code: number): string {
  switch (code) {
    case 38:
      return '&amp;';
    case 60:
      return '&lt;';
    case 62:
      return '&gt;';
    case 34:
      return '&quot;';
    case 39:
      return '&#39;';
    default:
      return '';
  }
}
