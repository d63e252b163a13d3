/**
 * Pure: finds the WSGI or ASGI callable of a Python folder by looking at its source. Light on purpose: nothing is
 * imported, only assignments and functions at the start of a line count.
 */
import type { TreeView } from './tree-view.ts';

export interface PythonApp {
  /** Dotted, importable with the app's folder on the path. */
  readonly module: string;
  readonly callable: string;
  readonly interface: 'wsgi' | 'asgi';
  /** The callable makes the app when called without arguments. */
  readonly factory: boolean;
}

type Callable = Omit<PythonApp, 'module'>;

/** Best first: files whose name says what they are for. */
const FILES = ['wsgi', 'asgi', 'app', 'main', 'application', 'server', 'api', 'run', 'web'];

/** Classes whose instances are apps. */
const CLASSES: Readonly<Record<string, 'wsgi' | 'asgi'>> = {
  Flask: 'wsgi',
  Bottle: 'wsgi',
  'bottle.app': 'wsgi',
  'bottle.default_app': 'wsgi',
  default_app: 'wsgi',
  'falcon.App': 'wsgi',
  'falcon.API': 'wsgi',
  'falcon.asgi.App': 'asgi',
  get_wsgi_application: 'wsgi',
  get_asgi_application: 'asgi',
  FastAPI: 'asgi',
  Starlette: 'asgi',
  Quart: 'asgi',
  Litestar: 'asgi',
  BlackSheep: 'asgi',
  Sanic: 'asgi',
};

export function findPythonApp(view: TreeView): PythonApp | undefined {
  const django = view.kind('manage.py') === 'file' ? findDjango(view) : undefined;
  if (django !== undefined) return django;
  for (const [file, module] of candidates(view)) {
    const text = view.readText(file);
    const callable = text === undefined ? undefined : findCallable(text);
    if (callable !== undefined) return { module, ...callable };
  }
  return undefined;
}

function candidates(view: TreeView): readonly (readonly [string, string])[] {
  const folders = view
    .list('.')
    .filter((name) => /^[A-Za-z_]\w*$/.test(name) && view.kind(name) === 'folder')
    .filter((name) => name !== 'tests' && name !== 'test');
  const inside = folders.flatMap((folder) => [
    ...(view.kind(`${folder}/__init__.py`) === 'file'
      ? [[`${folder}/__init__.py`, folder] as const]
      : []),
    ...FILES.map((name) => [`${folder}/${name}.py`, `${folder}.${name}`] as const),
  ]);
  return [...FILES.map((name) => [`${name}.py`, name] as const), ...inside].filter(
    ([file]) => view.kind(file) === 'file',
  );
}

/** `DJANGO_SETTINGS_MODULE` in manage.py names the package that has wsgi.py. */
function findDjango(view: TreeView): PythonApp | undefined {
  const settings = /DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([\w.]+)['"]/.exec(
    view.readText('manage.py') ?? '',
  )?.[1];
  const named = settings?.split('.').slice(0, -1) ?? [];
  const folders = [named.slice(0, 1).join('/'), ...view.list('.')].filter((name) => name !== '');
  for (const [name, kind] of [
    ['wsgi', 'wsgi'],
    ['asgi', 'asgi'],
  ] as const) {
    const folder = folders.find((each) => view.kind(`${each}/${name}.py`) === 'file');
    if (folder !== undefined) {
      return {
        module: `${folder}.${name}`,
        callable: 'application',
        interface: kind,
        factory: false,
      };
    }
  }
  return undefined;
}

/** The callable of one file. Instances of known classes first, then functions, then likely names. */
export function findCallable(text: string): Callable | undefined {
  return findInstance(text) ?? findFunction(text) ?? findFactory(text) ?? findAlias(text);
}

function findInstance(text: string): Callable | undefined {
  const assignments = text.matchAll(/^(\w+)[ \t]*(?::[^=\n]+)?=[ \t]*([\w.]+)\(/gm);
  for (const [, callable, called] of assignments) {
    if (callable === undefined || called === undefined) continue;
    const kind =
      CLASSES[called] ?? CLASSES[called.split('.').at(-1) ?? ''] ?? importedApp(text, called);
    if (kind !== undefined) return { callable, interface: kind, factory: false };
  }
  return undefined;
}

/** `from falcon import App` and the like, where the class has a name that anything could have. */
function importedApp(text: string, called: string): 'wsgi' | 'asgi' | undefined {
  if (called !== 'App') return undefined;
  if (/^from falcon\.asgi import .*\bApp\b/m.test(text)) return 'asgi';
  return /^from falcon import .*\bApp\b/m.test(text) ? 'wsgi' : undefined;
}

/** Longer lists of parameters are not looked at: the source may be written to keep us busy. */
const SIGNATURE = /^(async )?def (\w+)\(([^)]{0,400})\)/gm;

function findFunction(text: string): Callable | undefined {
  const functions = [...text.matchAll(SIGNATURE)].map(([, isAsync, callable = '', list = '']) => ({
    isAsync: isAsync !== undefined,
    callable,
    parameters: list.split(',').map((each) => each.trim()),
  }));
  const asgi = functions.find(
    ({ isAsync, parameters }) =>
      isAsync && parameters.length >= 3 && /^scope\b/.test(parameters[0] ?? ''),
  );
  if (asgi !== undefined) return { callable: asgi.callable, interface: 'asgi', factory: false };
  const wsgi = functions.find(
    ({ isAsync, parameters: [first = '', ...rest] }) =>
      !isAsync && /^env(?:iron)?\b/.test(first) && rest.some((e) => /^start_response\b/.test(e)),
  );
  if (wsgi !== undefined) return { callable: wsgi.callable, interface: 'wsgi', factory: false };
  const named = /^(async )?def application\(/m.exec(text);
  if (named === null) return undefined;
  const kind = named[1] === undefined ? 'wsgi' : 'asgi';
  return { callable: 'application', interface: kind, factory: false };
}

function findFactory(text: string): Callable | undefined {
  const name = /^def (create_app|make_app|build_app)\(/m.exec(text)?.[1];
  return name === undefined
    ? undefined
    : { callable: name, interface: guessInterface(text), factory: true };
}

/** `app = create_app()` from another file, `application = app`, and so on. */
function findAlias(text: string): Callable | undefined {
  const name =
    /^(application|app)[ \t]*(?::[^=\n]+)?=[ \t]*(?!None\b|["'{[\d])\S/m.exec(text)?.[1] ??
    /^from [\w.]+ import (?:.*[\s,])?(application|app)\b/m.exec(text)?.[1];
  return name === undefined
    ? undefined
    : { callable: name, interface: guessInterface(text), factory: false };
}

function guessInterface(text: string): 'wsgi' | 'asgi' {
  return /\b(?:fastapi|starlette|quart|litestar|blacksheep|asgi)\b/i.test(text) ? 'asgi' : 'wsgi';
}
