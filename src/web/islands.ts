/**
 * Islands: components of `app/islands` that go on in the browser. The server writes them into the page as they are at first, so they are there without
 * JavaScript; a script of all islands, made when the app is built, then takes over what it finds.
 */
import { createHash } from 'node:crypto';
import { MolnError } from '../base/errors.ts';
import { currentContext } from './context.ts';
import type { Asked } from './node-request.ts';
import { type Child, element, Fragment, type JSX } from './jsx-runtime.ts';

const SCRIPT_PATH = '/_moln/islands.js';
const FOREVER = 'public, max-age=31536000, immutable';

/** What a component is given travels as JSON. */
type Props = Readonly<Record<string, unknown>>;
type Component<P> = (props: P) => unknown;

export class Islands {
  readonly #names: ReadonlyMap<unknown, string>;
  readonly #script: string;
  readonly #fingerprint: string;

  /** `names`: `file#export` of each component. `script`: for the browser. */
  constructor(names: ReadonlyMap<unknown, string>, script: string) {
    this.#names = names;
    this.#script = script;
    this.#fingerprint = createHash('sha256').update(script).digest('hex').slice(0, 10);
  }

  get path(): string {
    return `${SCRIPT_PATH}?v=${this.#fingerprint}`;
  }

  /** Throws `WEB_NO_ISLAND`. */
  nameOf(component: unknown): string {
    const name = this.#names.get(component);
    if (name !== undefined) return name;
    const given = typeof component === 'function' ? component.name : String(component);
    throw new MolnError(
      'WEB_NO_ISLAND',
      `"${given}" is no island: no file of app/islands exports it`,
    );
  }

  /** The answer to a request for the script, or undefined for other paths. */
  answer(asked: Asked): Response | undefined {
    if (asked.pathname !== SCRIPT_PATH || asked.method !== 'GET') return undefined;
    const isNamed = asked.url.searchParams.get('v') === this.#fingerprint;
    return new Response(this.#script, {
      headers: {
        'content-type': 'text/javascript; charset=utf-8',
        'cache-control': isNamed ? FOREVER : 'no-cache',
        'x-content-type-options': 'nosniff',
      },
    });
  }
}

let current: Islands | undefined;

/** The islands of this process's app. */
export function useIslands(islands: Islands): void {
  current = islands;
}

/** `<Island of={Counter} with={{ start: 3 }} />`: the component here and now, and in the browser from then on. */
export function Island<P extends Props>(props: {
  readonly of: Component<P>;
  readonly with: P;
}): JSX.Element {
  if (current === undefined)
    throw new MolnError('WEB_NO_ISLAND', 'The app has not started: it has no islands yet');
  const { locals } = currentContext();
  const isFirst = locals['moln.islands'] === undefined;
  locals['moln.islands'] = true;
  const inside = element(props.of as never, { ...props.with }) as unknown as Child;
  const given = {
    'data-island': current.nameOf(props.of),
    'data-props': JSON.stringify(props.with),
  };
  const script = isFirst ? element('script', { src: current.path, type: 'module' }) : null;
  return element(
    Fragment,
    {},
    element('moln-island', given, inside),
    script,
  ) as unknown as JSX.Element;
}
