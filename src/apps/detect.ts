/**
 * Finds out what a folder is and how it runs: pure, from what is in it and what the machine has. The first kind that
 * recognises it wins: moln.json, Procfile, Moln's own framework, Node, Python, PHP, static site.
 */
import { ConfigError, MolnError } from '../base/errors.ts';
import { buildSteps } from './build-steps.ts';
import { detectMoln } from './detect-moln.ts';
import { detectNode } from './detect-node.ts';
import { detectPhp } from './detect-php.ts';
import { detectProcfile } from './detect-procfile.ts';
import { detectPython } from './detect-python.ts';
import { detectStatic } from './detect-static.ts';
import { commandProcess } from './detection.ts';
import type { DetectInput, Found } from './detection.ts';
import type { LaunchPlan } from './model.ts';
import { SETTINGS_FILE, readSettings } from './settings.ts';
import type { Tools } from './tools.ts';
import type { TreeView } from './tree-view.ts';

export interface Detection {
  readonly plan: LaunchPlan;
  /** From moln.json: what a first deploy takes over into the app. */
  readonly domains: readonly string[];
  readonly scale: Readonly<Record<string, number>>;
}

const DETECTORS: readonly {
  readonly kind: LaunchPlan['kind'];
  readonly find: (input: DetectInput) => Found | undefined;
}[] = [
  { kind: 'procfile', find: detectProcfile },
  { kind: 'node', find: detectMoln },
  { kind: 'node', find: detectNode },
  { kind: 'python', find: detectPython },
  { kind: 'php', find: detectPhp },
  { kind: 'static', find: detectStatic },
];

const LOOKED_FOR =
  'moln.json, Procfile, package.json, server.js, requirements.txt, pyproject.toml, app.py, main.py, ' +
  'wsgi.py, asgi.py, manage.py, index.php, composer.json, index.html';

/**
 * Throws `APPS_NOTHING_TO_DEPLOY`, `APPS_TOOL_MISSING` with the command that installs it, or `CONFIG_INVALID` for a
 * mistake in moln.json.
 */
export function detect(view: TreeView, tools: Tools): Detection {
  const settings = readSettings(view.readText(SETTINGS_FILE));
  const input: DetectInput = { view, tools, settings };
  const found = findKind(input);
  const processes = Object.entries(found.processes).map(
    ([name, plan]) => [name, { ...plan, env: { ...plan.env, ...settings.env } }] as const,
  );
  const plan: LaunchPlan = {
    kind: found.kind,
    explanation: found.explanation,
    build: found.build,
    processes: Object.fromEntries(processes),
    staticRoot: found.static?.root,
    fallback: settings.static.fallback ?? found.static?.fallback,
    notFound: settings.static.notFound ?? found.static?.notFound,
    health: settings.health,
    placement: settings.placement,
    cache: settings.cache,
    ...(Object.keys(settings.folders).length === 0 ? {} : { folders: settings.folders }),
  };
  if (plan.folders !== undefined && processes.length === 0) throw noProcess();
  return { plan, domains: settings.domains, scale: settings.scale };
}

function noProcess(): ConfigError {
  const message = `"folders" are for processes, and this app has none (in ${SETTINGS_FILE})`;
  const hint = 'Take it out; "moln files website BUCKET --domain HOST" shows a bucket as a site';
  return new ConfigError('folders', message, { hint });
}

function findKind(input: DetectInput): Found {
  const { settings } = input;
  if (settings.processes !== undefined) return fromSettings(input, settings.processes);
  if (settings.kind === undefined && settings.static.root !== undefined) {
    const found = detectStatic(input);
    if (found !== undefined) return found;
  }
  for (const { kind, find } of DETECTORS) {
    if (settings.kind !== undefined && settings.kind !== kind) continue;
    const found = find(input);
    if (found !== undefined) return found;
  }
  const what = settings.kind === undefined ? '' : ` as "${settings.kind}" (from moln.json)`;
  const message = `Found nothing to run or serve${what}; looked for ${LOOKED_FOR}`;
  throw new MolnError('APPS_NOTHING_TO_DEPLOY', message, {
    hint: 'Add one of them, or say in moln.json what to run: {"processes": {"web": "COMMAND"}}',
    details: { files: input.view.list('.').slice(0, 50) },
  });
}

function fromSettings(input: DetectInput, commands: Readonly<Record<string, string>>): Found {
  return {
    kind: input.settings.kind ?? 'procfile',
    explanation: `Processes from moln.json: ${Object.keys(commands).join(', ')}`,
    build: buildSteps(input),
    processes: Object.fromEntries(
      Object.entries(commands).map(([name, text]) => [name, commandProcess(name, text)]),
    ),
  };
}
