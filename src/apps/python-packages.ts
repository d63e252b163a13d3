/** Pure: what a Python app depends on, and whether the machine has that already. */
import type { PythonTools } from './tools.ts';
import type { TreeView } from './tree-view.ts';

export interface PythonNeeds {
  /** Arguments of `pip install` for all of them. */
  readonly install: readonly string[];
  /** One per line or entry, without comments and environment markers. */
  readonly requirements: readonly string[];
}

/** From requirements.txt, else from `[project]` of pyproject.toml; undefined when neither names any. */
export function pythonNeeds(view: TreeView): PythonNeeds | undefined {
  const text = view.readText('requirements.txt');
  if (text !== undefined) {
    const requirements = text
      .split(/\r?\n/)
      .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
      .filter((line) => line !== '');
    return requirements.length === 0
      ? undefined
      : { install: ['-r', 'requirements.txt'], requirements };
  }
  const requirements = projectDependencies(view.readText('pyproject.toml') ?? '');
  return requirements.length === 0 ? undefined : { install: requirements, requirements };
}

/** The strings of `dependencies = [ … ]` in the `[project]` table. */
function projectDependencies(toml: string): readonly string[] {
  const project = /^\[project\][ \t]*$([\s\S]*?)(?=^\[|(?![\s\S]))/m.exec(toml)?.[1] ?? '';
  // One look from the first place only: a file may be written to keep us busy.
  const at = project.search(/^dependencies\s*=\s*\[/m);
  if (at < 0) return [];
  const text = project.slice(at);
  const list = /^dependencies\s*=\s*\[((?:[^\]"']|"[^"]*"|'[^']*')*)\]/.exec(text)?.[1] ?? '';
  const bare = list.replace(/^\s*#.*$/gm, '');
  return [...bare.matchAll(/"([^"]*)"|'([^']*)'/g)].map((match) => match[1] ?? match[2] ?? '');
}

/** PEP 503: one spelling for `Flask`, `flask` and `my_pkg`, `my.pkg`. */
export function packageName(requirement: string): string {
  const name = /^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(requirement)?.[0] ?? '';
  return name.replace(/[-_.]+/g, '-').toLowerCase();
}

/**
 * True when the system's Python has it. Only bare names, `==` and `>=` are judged; whatever else is asked for goes
 * to pip, which knows better.
 */
export function isInstalled(requirement: string, python: PythonTools): boolean {
  const match = /^[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:(==|>=)\s*([0-9]+(?:\.[0-9]+)*))?$/.exec(
    requirement.trim(),
  );
  if (match === null) return false;
  const installed = python.packages[packageName(requirement)];
  if (installed === undefined) return false;
  const [, operator, wanted] = match;
  if (operator === undefined || wanted === undefined) return true;
  const order = compareVersions(installed, wanted);
  return operator === '==' ? order === 0 : order >= 0;
}

function compareVersions(a: string, b: string): number {
  const left = a.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const right = b.split('.').map((part) => Number.parseInt(part, 10) || 0);
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** True when the app needs an environment of its own, `.venv`. */
export function needsVenv(view: TreeView, python: PythonTools | undefined): boolean {
  const needs = pythonNeeds(view);
  if (needs === undefined) return false;
  return needs.requirements.some((each) => python === undefined || !isInstalled(each, python));
}
