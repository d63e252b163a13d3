/** Sign-up, sign-in and sign-out as source text that belongs to the app from then on. */
import { fill, fillAll } from './templates.ts';

export function authFiles(): Readonly<Record<string, string>> {
  return fillAll('auth', {});
}

/** The layout with who is signed in, when it still has the place that `moln new` gave it. */
export function withUserNav(layout: string): string | undefined {
  const mark = '{/* navigation */}';
  if (!layout.includes(mark) || layout.includes('UserNav')) return undefined;
  const text = layout.replace(mark, '<UserNav />');
  return text.replace(/\n\n/, `\n${fill('user-nav.tsx', {})}\n\n`);
}
