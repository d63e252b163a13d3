/** Pure: how a command that a person wrote in one line becomes argv. */

/** Anything that makes it more than one simple command. */
const COMPOUND = /[;&|\n(){}]|^\s*(?:cd|export|set|if|for|while|\.|exec|eval|source)\s/;
const ASSIGNMENTS = /^\s*[A-Za-z_][A-Za-z0-9_]*=/;

/**
 * Runs `text` by `sh`. A simple command replaces the shell (`exec`), so that it gets the signals itself; a compound
 * one keeps it.
 */
export function shellCommand(text: string): readonly string[] {
  const line = text.trim();
  if (COMPOUND.test(line)) return ['sh', '-c', line];
  return ['sh', '-c', ASSIGNMENTS.test(line) ? `exec env ${line}` : `exec ${line}`];
}
