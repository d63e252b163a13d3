/** Pure: the commands that turn a source tree into what runs. An app may mix languages: Django with npm assets. */
import { buildStep, toolMissing } from './detection.ts';
import type { DetectInput } from './detection.ts';
import type { BuildStep } from './model.ts';
import { readPackageJson } from './package-json.ts';
import { needsVenv, pythonNeeds } from './python-packages.ts';
import { shellCommand } from './shell-command.ts';
import type { TreeView } from './tree-view.ts';

const NPM_FLAGS = ['--no-audit', '--no-fund'];

/**
 * Dependencies of every language, then the build itself (`build` of moln.json, else the package's build script), then
 * what only the build needed goes again. Throws `APPS_TOOL_MISSING`.
 */
export function buildSteps(input: DetectInput): readonly BuildStep[] {
  const own = input.settings.build?.map((text) => buildStep(text, shellCommand(text)));
  return [...pythonBuild(input), ...phpBuild(input), ...nodeBuild(input, own)];
}

/** True when `npm run build`, or what moln.json has instead, will run. */
export function hasBuild(input: DetectInput): boolean {
  if (input.settings.build !== undefined) return input.settings.build.length > 0;
  return readPackageJson(input.view)?.scripts['build'] !== undefined;
}

function nodeBuild(input: DetectInput, own: readonly BuildStep[] | undefined): BuildStep[] {
  const manifest = readPackageJson(input.view);
  if (manifest === undefined) return [...(own ?? [])];
  const steps: BuildStep[] = [];
  const builds = hasBuild(input);
  const { dependencies, devDependencies } = manifest;
  const wanted = dependencies.size + (builds ? devDependencies.size : 0);
  const locked = ['package-lock.json', 'npm-shrinkwrap.json'].some(
    (name) => input.view.kind(name) === 'file',
  );
  if (wanted > 0) {
    const verb = locked ? 'ci' : 'install';
    const omit = builds ? [] : ['--omit=dev'];
    steps.push(buildStep('npm dependencies', ['npm', verb, ...omit, ...NPM_FLAGS]));
  }
  if (own !== undefined) steps.push(...own);
  else if (builds) steps.push(buildStep('npm run build', ['npm', 'run', 'build']));
  if (builds && devDependencies.size > 0) {
    steps.push(buildStep('npm prune', ['npm', 'prune', '--omit=dev', ...NPM_FLAGS]));
  }
  if (steps.some(({ command }) => command[0] === 'npm') && input.tools.npm === undefined) {
    throw toolMissing('The packages of this app are installed by npm, which is not there', 'npm');
  }
  return steps;
}

function pythonBuild(input: DetectInput): BuildStep[] {
  const { python } = input.tools;
  const needs = pythonNeeds(input.view);
  if (needs === undefined || !needsVenv(input.view, python)) return [];
  if (python === undefined) {
    throw toolMissing('This app needs Python 3, which is not there', 'python3 python3-venv');
  }
  if (!python.venv) {
    throw toolMissing(
      'This app needs Python packages, and the module venv that keeps them apart is not there',
      'python3-venv',
    );
  }
  const pip = ['.venv/bin/python', '-m', 'pip', 'install', '--no-input'];
  return [
    buildStep('Python environment', ['python3', '-m', 'venv', '--system-site-packages', '.venv']),
    buildStep('Python packages', [...pip, '--disable-pip-version-check', ...needs.install]),
  ];
}

function phpBuild(input: DetectInput): BuildStep[] {
  if (!needsComposer(input.view)) return [];
  if (input.tools.composer === undefined) {
    throw toolMissing(
      'composer.json names packages, there is no vendor folder, and composer is not there',
      'composer',
    );
  }
  const flags = ['--no-dev', '--no-interaction', '--no-progress', '--optimize-autoloader'];
  return [buildStep('composer packages', ['composer', 'install', ...flags])];
}

/** True when composer.json asks for more than PHP and its extensions, and `vendor` is not shipped. */
function needsComposer(view: TreeView): boolean {
  const text = view.readText('composer.json');
  if (text === undefined || view.kind('vendor/autoload.php') === 'file') return false;
  try {
    const { require = {} } = JSON.parse(text) as { readonly require?: Record<string, string> };
    return Object.keys(require).some((name) => name.includes('/'));
  } catch {
    // composer says more exactly than we could what is wrong with it.
    return true;
  }
}
