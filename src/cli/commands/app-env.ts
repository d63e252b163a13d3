/** `moln app NAME env`: settings that are shown, and secrets that never are again. */
import type { AppDetail } from '../../api/model.ts';
import type { EnvChange } from '../client.ts';
import type { CommandSpec, Context, Input } from '../command.ts';
import { EXIT } from '../errors.ts';
import { followProgress } from '../progress.ts';
import { readSecret } from '../prompt.ts';
import { readPairs } from '../up.ts';
import { printable } from '../words.ts';

const KEY = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/;

export const ENV: CommandSpec = {
  name: 'env',
  summary: 'Show or change settings and secrets; a change restarts the app one by one.',
  arguments: [
    { name: 'KEY=VALUE', description: 'settings, shown to all who may read', variadic: true },
  ],
  options: [
    {
      flags: '--secret <KEY[=VALUE]>',
      description:
        'a secret, never shown again; without a value it is asked for or read from stdin',
      repeat: true,
    },
    { flags: '--unset <KEY>', description: 'remove a setting or secret', repeat: true },
  ],
  examples: [
    ['moln app blog env', 'show them'],
    ['moln app blog env GREETING=Hi LANG=sv', 'set two'],
    ['moln app blog env --secret API_KEY < key.txt', 'keeps it out of the shell history'],
    ['moln app blog env --unset GREETING', ''],
  ],
  run: async (context, input) => {
    const change = await readChange(context, input);
    if (change !== undefined) {
      const stream = context.client().changeEnv(input.subject, change);
      await followProgress(context, `Changing the settings of ${input.subject}`, stream);
    }
    printEnv(context, await context.client().app(input.subject));
    return EXIT.ok;
  },
};

/** Undefined when nothing is to change. */
async function readChange(context: Context, input: Input): Promise<EnvChange | undefined> {
  const words = input.rest('KEY=VALUE');
  const secretWords = input.texts('secret');
  const unset = input.texts('unset');
  if (words.length + secretWords.length + unset.length === 0) return undefined;
  const setSecrets: Record<string, string> = {
    ...readPairs(secretWords.filter(hasValue), '--secret', KEY),
  };
  for (const word of secretWords.filter((secret) => !hasValue(secret))) {
    readPairs([`${word}=`], '--secret', KEY);
    setSecrets[word] = await readSecret(context.io, word);
  }
  const { secretNames } = unset.length > 0 ? await context.client().app(input.subject) : NO_SECRETS;
  return {
    set: readPairs(words, 'env', KEY),
    setSecrets,
    unset: unset.filter((name) => !secretNames.includes(name)),
    unsetSecrets: unset.filter((name) => secretNames.includes(name)),
  };
}

const NO_SECRETS: { readonly secretNames: readonly string[] } = { secretNames: [] };

function hasValue(word: string): boolean {
  return word.includes('=');
}

function printEnv(context: Context, app: AppDetail): void {
  const { words } = context;
  if (context.json) {
    words.json({ app: app.name, env: app.env, secretNames: app.secretNames });
    return;
  }
  // Exact for programs; for people, what would steer their terminal is made visible.
  const shown = context.io.isTerminal ? printable : (text: string): string => text;
  for (const [key, value] of Object.entries(app.env)) words.line(`${key}=${shown(value)}`);
  for (const key of app.secretNames) words.line(`${key}=${words.style('dim', '(secret)')}`);
  if (Object.keys(app.env).length + app.secretNames.length > 0) return;
  words.note(`No settings yet: add one with "moln app ${app.name} env KEY=VALUE"`);
}
