/** `Procfile`: one `name: command` a line, as Heroku has it. */
import { ConfigError } from '../base/errors.ts';
import { buildSteps } from './build-steps.ts';
import { commandProcess } from './detection.ts';
import type { DetectInput, Found } from './detection.ts';
import { checkProcessCount, PROCESS_NAME } from './settings.ts';

/** Throws `CONFIG_INVALID` with the line that is wrong. */
export function detectProcfile(input: DetectInput): Found | undefined {
  const text = input.view.readText('Procfile');
  if (text === undefined) return undefined;
  const commands = readProcfile(text);
  const names = Object.keys(commands).filter((name) => name !== 'release');
  if (names.length === 0) return undefined;
  const note = commands['release'] === undefined ? '' : '; its "release" line is not run';
  return {
    kind: 'procfile',
    explanation: `Procfile with ${names.join(', ')}${note}`,
    build: buildSteps(input),
    processes: Object.fromEntries(
      names.map((name) => [name, commandProcess(name, commands[name] ?? '')]),
    ),
  };
}

export function readProcfile(text: string): Readonly<Record<string, string>> {
  const commands: Record<string, string> = {};
  text.split(/\r?\n/).forEach((line, index) => {
    if (line.trim() === '' || line.trim().startsWith('#')) return;
    const match = /^([^:\s]+)\s*:\s*(\S.*)$/.exec(line.trim());
    const [, name, command] = match ?? [];
    const key = `Procfile:${index + 1}`;
    if (name === undefined || command === undefined || !PROCESS_NAME.test(name)) {
      throw new ConfigError(key, `Line ${index + 1} of Procfile is not "name: command"`, {
        hint: 'Write lines such as "web: node server.js"',
      });
    }
    if (Object.hasOwn(commands, name)) {
      throw new ConfigError(key, `Procfile has "${name}" twice`);
    }
    commands[name] = command;
  });
  checkProcessCount('Procfile', Object.keys(commands).length);
  return commands;
}
