/** The page that a developer sees when something throws: what, where in their own source, and what to do. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMolnError, messageOf, systemCode } from '../base/errors.ts';
import { html, type Html } from '../base/html.ts';
import { devDocument } from './dev-document.ts';

/** Lines of source before and after the one. */
const LINES_AROUND = 5;

export interface Place {
  readonly file: string;
  readonly line: number;
}

/** The first line of the stack that is the app's own. */
export function placeOf(stack: string, root: string): Place | undefined {
  for (const match of stack.matchAll(
    /(?:\(|at |^)((?:file:\/\/)?\/[^\s()]+?)(?:\?v=\d+)?:(\d+)(?::\d+)?\)?$/gm,
  )) {
    const [, name = '', line = '0'] = match;
    const file = name.startsWith('file:') ? fileURLToPath(name) : name;
    if (file.startsWith(`${root}/`) && !file.includes('/node_modules/'))
      return { file, line: Number(line) };
  }
  return undefined;
}

/** Of an error that knows it better than its stack. */
function placeIn(details: Readonly<Record<string, unknown>> | undefined): Place | undefined {
  const { file, line } = details ?? {};
  return typeof file === 'string' && typeof line === 'number' ? { file, line } : undefined;
}

/** HTML for the browser, with status 500. */
export function errorPage(error: unknown, root: string, request: string): Response {
  const details = isMolnError(error) ? error.details : undefined;
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const place = placeIn(details) ?? placeOf(stack, root);
  const shown = ['frame', 'sql'].map((name) => details?.[name]);
  const hint = isMolnError(error) ? error.hint : undefined;
  return devDocument({
    title: 'Error',
    status: 500,
    body: html`<p class="quiet">${request} · <a href="/_moln">What the app did</a></p>
      <h1>${messageOf(error).replaceAll(`${root}/`, '')}</h1>
      ${hint === undefined ? '' : html`<p class="hint">${hint}</p>`}
      ${shown.map((text) => (typeof text === 'string' ? html`<pre>${text}</pre>` : ''))}
      ${place === undefined ? '' : sourceLines(place, root)}
      <details>
        <summary>Stack</summary>
        <pre>${stack}</pre>
      </details>`,
  });
}

function sourceLines({ file, line }: Place, root: string): Html | string {
  let lines: readonly string[];
  try {
    lines = readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  }
  const first = Math.max(1, line - LINES_AROUND);
  const rows = lines.slice(first - 1, line + LINES_AROUND).map((text, at) => {
    const row = `${String(first + at).padStart(4)}  ${text}\n`;
    return first + at === line ? html`<mark>${row}</mark>` : row;
  });
  return html`<p>
      <strong>${relative(root, file)}:${line}</strong>
    </p>
    <pre>${rows}</pre>`;
}
