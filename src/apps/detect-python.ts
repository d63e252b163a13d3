/** Python: a WSGI or ASGI callable and what serves it, or else a program. */
import { buildSteps } from './build-steps.ts';
import { toolMissing } from './detection.ts';
import type { DetectInput, Found } from './detection.ts';
import type { ProcessPlan } from './model.ts';
import { findPythonApp } from './python-app.ts';
import type { PythonApp } from './python-app.ts';
import { isInstalled, needsVenv, packageName, pythonNeeds } from './python-packages.ts';
import type { TreeView } from './tree-view.ts';

const ENV: Readonly<Record<string, string>> = {
  PYTHONUNBUFFERED: '1',
  // The release is read-only.
  PYTHONDONTWRITEBYTECODE: '1',
};

const MARKS = ['requirements.txt', 'pyproject.toml', 'manage.py', 'setup.py', 'Pipfile'];
const PROGRAMS = ['main.py', 'app.py', 'server.py', 'run.py'];

/** Throws `APPS_TOOL_MISSING` when the folder is Python and the machine has none. */
export function detectPython(input: DetectInput): Found | undefined {
  const { view, tools } = input;
  const app = findPythonApp(view);
  const program = PROGRAMS.find((name) => view.kind(name) === 'file');
  if (app === undefined && (program === undefined || !isPythonFolder(view))) return undefined;
  if (tools.python === undefined) {
    throw toolMissing('This is a Python app, and Python 3 is not there', 'python3 python3-venv');
  }
  const python = needsVenv(view, tools.python) ? '{release}/.venv/bin/python' : 'python3';
  const [how, command] =
    app === undefined ? runProgram(python, program ?? '') : serveApp(input, python, app);
  const web: ProcessPlan = { command, env: ENV, kind: 'http' };
  return { kind: 'python', explanation: how, build: buildSteps(input), processes: { web } };
}

function isPythonFolder(view: TreeView): boolean {
  if (MARKS.some((name) => view.kind(name) === 'file')) return true;
  return view.kind('index.html') === undefined && view.kind('index.php') === undefined;
}

function runProgram(python: string, program: string): readonly [string, readonly string[]] {
  return [`Python program ${program}`, [python, program]];
}

function serveApp(
  input: DetectInput,
  python: string,
  app: PythonApp,
): readonly [string, readonly string[]] {
  const target = `${app.module}:${app.callable}`;
  const kind = app.interface === 'wsgi' ? 'WSGI' : 'ASGI';
  const server = app.interface === 'wsgi' ? 'gunicorn' : 'uvicorn';
  if (!hasPackage(input, server)) {
    const limit = app.interface === 'asgi' ? ', without WebSockets' : '';
    const runner = [python, '{runners}/python_runner.py', app.interface];
    const factory = app.factory ? ['--factory'] : [];
    return [
      `Python ${kind} app ${target}, served by the standard library${limit} (${server} is not installed)`,
      [...runner, ...factory, target],
    ];
  }
  const command =
    app.interface === 'wsgi' ? byGunicorn(input, python, app) : byUvicorn(python, app);
  return [`Python ${kind} app ${target}, served by ${server}`, command];
}

function byGunicorn({ view }: DetectInput, python: string, app: PythonApp): readonly string[] {
  const target = `${app.module}:${app.callable}${app.factory ? '()' : ''}`;
  // An app with settings of its own keeps them, and only learns where to listen.
  return view.kind('gunicorn.conf.py') === 'file'
    ? ['sh', '-c', 'exec "$0" -m gunicorn --bind "unix:$LISTEN_SOCKET" "$1"', python, target]
    : [python, '-m', 'gunicorn', '--config', '{runners}/gunicorn_config.py', target];
}

function byUvicorn(python: string, app: PythonApp): readonly string[] {
  const flags = [
    '--uds "$LISTEN_SOCKET"',
    "--proxy-headers --forwarded-allow-ips '*'",
    // Longer than the gateway keeps a connection that it does not use.
    '--timeout-keep-alive 120 --no-access-log',
    ...(app.factory ? ['--factory'] : []),
  ];
  const target = `${app.module}:${app.callable}`;
  return ['sh', '-c', `exec "$0" -m uvicorn ${flags.join(' ')} "$1"`, python, target];
}

/** Whether it will be importable: named by the app itself, or there already. */
function hasPackage({ view, tools }: DetectInput, name: string): boolean {
  if (tools.python !== undefined && isInstalled(name, tools.python)) return true;
  return (pythonNeeds(view)?.requirements ?? []).some((each) => packageName(each) === name);
}
