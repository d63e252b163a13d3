/** What generators put into the layout of an app, at the mark that `moln new` left there. Pure; undefined when nothing is to be changed. */
const MARK = '{/* navigation */}';

/** The layout with a link to pages that were generated. */
export function withLink(layout: string, path: string, label: string): string | undefined {
  if (layout.includes(`href="${path}"`)) return undefined;
  return atMark(layout, (indent) => `<a href="${path}">${label}</a>\n${indent}${MARK}`);
}

/** The layout with who is signed in. */
export function withUserNav(layout: string): string | undefined {
  if (layout.includes('UserNav')) return undefined;
  const text = atMark(layout, (indent) => `${MARK}\n${indent}<UserNav />`);
  return text?.replace('\n\n', "\nimport { UserNav } from './user_nav.tsx';\n\n");
}

function atMark(layout: string, filled: (indent: string) => string): string | undefined {
  const indent = /^( *)\{\/\* navigation \*\/\}/m.exec(layout)?.[1];
  return indent === undefined ? undefined : layout.replace(MARK, filled(indent));
}
