/** What the detectors share: what they see, what they find, and how commands become processes. */
import { MolnError } from '../base/errors.ts';
import type { BuildStep, LaunchPlan, ProcessPlan } from './model.ts';
import type { AppSettings } from './settings.ts';
import { shellCommand } from './shell-command.ts';
import type { Tools } from './tools.ts';
import type { TreeView } from './tree-view.ts';

/** One command of a build may take this long. */
export const BUILD_STEP_TIMEOUT_MS = 900_000;

/** What a detector sees. */
export interface DetectInput {
  readonly view: TreeView;
  readonly tools: Tools;
  readonly settings: AppSettings;
}

/** What a detector finds; the rest of the plan comes from the settings. */
export interface Found {
  readonly kind: LaunchPlan['kind'];
  readonly explanation: string;
  readonly build: readonly BuildStep[];
  readonly processes: Readonly<Record<string, ProcessPlan>>;
  readonly static?: {
    readonly root: string;
    readonly fallback?: string | undefined;
    readonly notFound?: string | undefined;
  };
}

/** For programs that a person wrote: Python is told to log at once and to leave its read-only folder alone. */
const COMMAND_ENV: Readonly<Record<string, string>> = {
  NODE_ENV: 'production',
  PYTHONUNBUFFERED: '1',
  PYTHONDONTWRITEBYTECODE: '1',
};

/** `web` answers requests, everything else only has to stay up. */
export function commandProcess(name: string, text: string): ProcessPlan {
  return {
    command: shellCommand(text),
    env: COMMAND_ENV,
    kind: name === 'web' ? 'http' : 'worker',
  };
}

export function buildStep(label: string, command: readonly string[]): BuildStep {
  return { label, command, timeoutMs: BUILD_STEP_TIMEOUT_MS };
}

/** `message` says what is needed and why, `packages` what to install on Debian. */
export function toolMissing(message: string, packages: string): MolnError {
  return new MolnError('APPS_TOOL_MISSING', message, {
    hint: `Install it on the node with "apt-get install ${packages}" and deploy again`,
    details: { packages },
  });
}
