/** What `moln` and `moln help` print: short, with the first things to type. */
import type { CommandSpec } from './command.ts';

/** `commands` in the order in which they are shown. */
export function topHelp(commands: readonly CommandSpec[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `Moln turns the machines you already have into one private cloud.

Start here:
  moln up                            start a cloud on this machine
  moln deploy ./blog --name blog     put a folder online: a site, or a Node, Python or PHP app
  moln status                        see what runs and where

Commands:
${rows.join('\n')}

"moln COMMAND --help" explains one and shows examples; --json prints for scripts.
Exit codes: 0 done, 1 failed, 2 mistyped, 3 no node runs or it cannot be reached.
`;
}
