/** Variables in policies of version 2012-10-17, such as `${aws:username}` (AWS IAM, "Policy variables"). Pure. */
import type { ConditionContext } from './policy-conditions.ts';
import { plainPattern } from './wildcard.ts';

/** Its inside is taken apart by hand: a policy is somebody else's, and no expression may go back and forth over its spaces. */
const VARIABLE = /\$\{([^{}]*)\}/g;
/** Written so because they mean something else outside of braces. */
const CHARACTERS: ReadonlySet<string> = new Set(['*', '?', '$']);

export function hasVariables(text: string): boolean {
  return text.includes('${');
}

/**
 * The text with what the request says in place of its variables, or with their defaults; undefined when it says nothing of one. In a
 * pattern (`isPattern`) no character of what is put in is a wildcard.
 */
export function withVariables(
  text: string,
  context: ConditionContext,
  isPattern: boolean,
): string | undefined {
  if (!hasVariables(text)) return text;
  let isKnown = true;
  const filled = text.replace(VARIABLE, (all, inside: string) => {
    const comma = inside.indexOf(',');
    const name = (comma < 0 ? inside : inside.slice(0, comma)).trim();
    const usual = comma < 0 ? undefined : /^'([^']*)'$/.exec(inside.slice(comma + 1).trim())?.[1];
    if (comma >= 0 && usual === undefined) return all;
    const value = CHARACTERS.has(name) ? name : (context.get(name.toLowerCase())?.[0] ?? usual);
    isKnown &&= value !== undefined;
    return isPattern ? plainPattern(value ?? '') : (value ?? '');
  });
  return isKnown ? filled : undefined;
}
