/** Writes `docs/web-reference.md` from the doc comments of what apps import. A test keeps the two equal. */
import { readFileSync, writeFileSync } from 'node:fs';

const WEB: URL = new URL('../src/web/', import.meta.url);
export const WEB_PAGE: URL = new URL('../docs/web-reference.md', import.meta.url);

const INTRODUCTION = `# What apps import

Everything that comes from \`moln\`, as its comments in \`src/web\` say. This page is made by
\`node scripts/web-page.ts\`; [The web framework](web.md) says how it belongs together.`;

/** `export { … }` of a file beside it. */
const EXPORTS: RegExp = /export (?:type )?\{([^}]*)\} \w+ '\.\/([^']+)';/g;

/** What a class or an interface shows of one of its members. */
interface Declared {
  readonly comment: string;
  /** On one line, without its body. */
  readonly signature: string;
}

/** The whole page. */
export function webPage(): string {
  const door = readFileSync(new URL('web.ts', WEB), 'utf8');
  const [, forApps = ''] = /For apps\.[^\n]*\n([\s\S]*?)\n\/\/ For the workbench/.exec(door) ?? [];
  const parts = [INTRODUCTION];
  for (const [, names = '', file = ''] of forApps.matchAll(EXPORTS)) {
    const text = readFileSync(new URL(file, WEB), 'utf8');
    for (const name of names.split(',').map((each) => each.replace('type ', '').trim()))
      if (name !== '') parts.push(...section(name, text));
  }
  return `${parts.join('\n\n')}\n`;
}

/** Nothing for a type that has the name of a function or class and no comment. */
function section(name: string, text: string): readonly string[] {
  const head = new RegExp(
    `(?:/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\n)?^export ((?:async )?(?:function|class|interface|const|type) ${name}\\b[\\s\\S]*)`,
    'm',
  ).exec(text);
  if (head === null) return [`## ${name}`, 'From the JSX that views are written in.'];
  const [, comment = '', rest = ''] = head;
  const parts = [`## ${name}`, fenced(signatureOf(rest)), proseOf(comment)];
  const members = /^(?:class|interface|const) /.test(rest) ? membersOf(bodyOf(rest)) : [];
  const list = members.map(
    ({ signature, comment: said }) => `- ${code(signature)}${said === '' ? '' : `: ${said}`}`,
  );
  return [...parts, list.join('\n')].filter((part) => part !== '');
}

/** Up to its body, or its end. */
function signatureOf(text: string): string {
  if (/^(?:class|interface) /.test(text)) return oneLine(text.split(/ \{\n/, 1)[0] ?? '');
  if (text.startsWith('const ')) return oneLine(/^[^=;]*/.exec(text)?.[0] ?? '');
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    const isBody = character === '{' && depth === 0 && !text.startsWith('type');
    if (depth === 0 && (character === ';' || isBody)) return oneLine(text.slice(0, at));
    if ('([{<'.includes(character)) depth++;
    if (')]}'.includes(character) || (character === '>' && text[at - 1] !== '=')) depth--;
  }
  return oneLine(text);
}

/** Between the first brace and the one that closes a declaration. */
function bodyOf(text: string): string {
  return /\{\n([\s\S]*?)\n\}/.exec(text)?.[1] ?? '';
}

/** Those of an object that everybody may use; `@internal` in a comment says that only Moln does. */
function membersOf(body: string): readonly Declared[] {
  const found: Declared[] = [];
  const pattern =
    /(?:^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^ {2}(?![ #*/}\]]|private|static|constructor)([\s\S]*?(?:;|\{)$)/gm;
  for (const [, comment = '', text = ''] of body.matchAll(pattern)) {
    const whole = oneLine(text.replace(/[;{]$/, '')).replace(/^(?:readonly|async) /, '');
    const isValue = /^\w+(?:: [^(]*)? = /.test(whole);
    const signature = isValue ? whole.replace(/ = .*$/, '') : whole.replace(/^get (\w+)\(\)/, '$1');
    if (!/^[[\w]/.test(signature) || comment.includes('@internal')) continue;
    found.push({ comment: oneLine(proseOf(comment)), signature });
  }
  return found;
}

/** A comment without its stars; what is indented in it is code. */
function proseOf(comment: string): string {
  const text = comment.split('\n').map((line) => line.replace(/^ *\*? ?/, '').trimEnd());
  return text
    .join('\n')
    .trim()
    .replace(/((?:^ {3,}\S.*\n?)+)/gm, (lines) => fenced(lines.replace(/^ {3,4}/gm, '').trimEnd()));
}

/** Inline, also when it has the sign that marks it. */
function code(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
}

function fenced(text: string): string {
  return `\`\`\`ts\n${text}\n\`\`\``;
}

function oneLine(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace('= | ', '= ')
    .replace(/\( /g, '(')
    .replace(/,? \)/g, ')')
    .trim();
}

if (import.meta.main) writeFileSync(WEB_PAGE, webPage());
