/** Node: a start script, or the file that is obviously the server. */
import { buildSteps, hasBuild } from './build-steps.ts';
import { builtServer } from './built-server.ts';
import { detectBuiltSite } from './detect-static.ts';
import type { DetectInput, Found } from './detection.ts';
import type { ProcessPlan } from './model.ts';
import { readPackageJson } from './package-json.ts';
import type { PackageJson } from './package-json.ts';
import { shellCommand } from './shell-command.ts';

const SERVER_FILES = ['server', 'index', 'app', 'main', 'src/server', 'src/index'].flatMap((name) =>
  ['js', 'mjs', 'cjs', 'ts', 'mts'].map((extension) => `${name}.${extension}`),
);

/** Without a package.json only these names say that a server is meant; `index.js` may as well be a page's script. */
const BARE_SERVER_FILES = new Set(['server.js', 'server.mjs', 'server.cjs', 'server.ts']);

/** Start scripts that are a development server over files that a build would make. */
const DEVELOPMENT_SERVER =
  /^(?:npx\s+)?(?:react-scripts\s+start|vite(?:\s+dev|\s+serve)?(?:\s+-.*)?$|astro\s+dev|ng\s+serve|webpack(?:-dev-server|\s+serve)|parcel\b|gatsby\s+develop|next\s+dev|live-server|eleventy\s+--serve)/;

export function detectNode(input: DetectInput): Found | undefined {
  const manifest = readPackageJson(input.view);
  if (manifest === undefined) return bareServer(input);
  const built = builtServer(input, manifest);
  if (built !== undefined) {
    const { name, file, env, steps } = built;
    const server = found(input, `${name}, built, then ${file}`, ['{node}', file], env);
    return { ...server, build: [...server.build, ...steps] };
  }
  const start = manifest.scripts['start'];
  const develops = start !== undefined && DEVELOPMENT_SERVER.test(start.trim());
  if (start !== undefined && !develops) {
    const before = manifest.scripts['prestart'];
    const text = before === undefined ? start : `${before} && ${start}`;
    return found(input, `start script "${start}"`, shellCommand(text));
  }
  if (hasBuild(input)) {
    const site = detectBuiltSite(input, manifest);
    if (site !== undefined) return site;
  }
  const file = serverFile(input, manifest);
  return file === undefined ? undefined : found(input, file, ['{node}', file]);
}

function serverFile(input: DetectInput, manifest: PackageJson): string | undefined {
  const main = manifest.main?.replace(/^\.\//, '');
  const candidates = main === undefined ? SERVER_FILES : [main, `${main}.js`, ...SERVER_FILES];
  const file = candidates.find((name) => input.view.kind(name) === 'file');
  // An index.html beside index.js is a page with its script, unless packages say otherwise.
  const isPage =
    input.view.kind('index.html') === 'file' &&
    manifest.dependencies.size === 0 &&
    !/\blisten\s*\(/.test(file === undefined ? '' : (input.view.readText(file) ?? ''));
  return isPage ? undefined : file;
}

function bareServer(input: DetectInput): Found | undefined {
  const file = SERVER_FILES.find(
    (name) => BARE_SERVER_FILES.has(name) && input.view.kind(name) === 'file',
  );
  if (file !== undefined) return found(input, file, ['{node}', file]);
  if (input.settings.kind !== 'node') return undefined;
  const any = SERVER_FILES.find((name) => input.view.kind(name) === 'file');
  return any === undefined ? undefined : found(input, any, ['{node}', any]);
}

function found(
  input: DetectInput,
  what: string,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Found {
  const web: ProcessPlan = { command, env: { NODE_ENV: 'production', ...env }, kind: 'http' };
  return {
    kind: 'node',
    explanation: `Node app, ${what}`,
    build: buildSteps(input),
    processes: { web },
  };
}
