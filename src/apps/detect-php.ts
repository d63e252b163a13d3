/** PHP: an index.php at the top or in public/. */
import { basename } from 'node:path';
import { buildSteps } from './build-steps.ts';
import { toolMissing } from './detection.ts';
import type { DetectInput, Found } from './detection.ts';
import type { ProcessPlan } from './model.ts';

const ROOTS = ['public', '.', 'web', 'www', 'htdocs'];

/** Throws `APPS_TOOL_MISSING` when the folder is PHP and the machine has none. */
export function detectPhp(input: DetectInput): Found | undefined {
  const { view, tools } = input;
  const hasIndex = (root: string): boolean =>
    view.kind(root === '.' ? 'index.php' : `${root}/index.php`) === 'file';
  const root = ROOTS.find(hasIndex);
  if (root === undefined) return undefined;
  const fastCgi = tools.phpCgi ?? tools.phpFpm;
  if (fastCgi === undefined && tools.php === undefined) {
    throw toolMissing('This is a PHP app, and PHP is not there', 'php-cgi');
  }
  const at = root === '.' ? '{release}' : `{release}/${root}`;
  const where = root === '.' ? 'index.php' : `${root}/index.php`;
  const web: ProcessPlan =
    fastCgi === undefined
      ? { command: builtInServer(at), env: {}, kind: 'http' }
      : {
          command: ['{node}', '{runners}/php-main.ts', '--root', at, '--php', fastCgi],
          env: {},
          kind: 'http',
        };
  const how =
    fastCgi === undefined
      ? "by PHP's built-in server, which is meant for development (php-cgi is not installed)"
      : `by ${basename(fastCgi)}`;
  return {
    kind: 'php',
    explanation: `PHP app ${where}, served ${how}`,
    build: buildSteps(input),
    processes: { web },
  };
}

function builtInServer(root: string): readonly string[] {
  return ['sh', '-c', 'exec php -S "127.0.0.1:$PORT" -t "$0"', root];
}
