/** The page that a developer sees when something throws: what, where in their own source, and what to do. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMolnError, messageOf, systemCode } from '../base/errors.ts';
import { escapeHtml } from '../base/html.ts';

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

/** HTML for the browser, with status 500. */
export function errorPage(error: unknown, root: string, request: string): Response {
  const details = isMolnError(error) ? error.details : undefined;
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const place = placeOf(stack, root);
  const frame =
    typeof details?.['frame'] === 'string' ? `<pre>${escapeHtml(details['frame'])}</pre>` : '';
  const sql =
    typeof details?.['sql'] === 'string' ? `<pre>${escapeHtml(details['sql'])}</pre>` : '';
  const hint =
    isMolnError(error) && error.hint !== undefined
      ? `<p class="hint">${escapeHtml(error.hint)}</p>`
      : '';
  const body =
    `<p class="quiet">${escapeHtml(request)}</p><h1>${escapeHtml(messageOf(error).replaceAll(`${root}/`, ''))}</h1>${hint}${frame}${sql}` +
    `${place === undefined ? '' : sourceLines(place, root)}<details><summary>Stack</summary><pre>${escapeHtml(stack)}</pre></details>`;
  return new Response(
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Error</title><style>${STYLE}</style></head><body>${body}</body></html>`,
    {
      status: 500,
      headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' },
    },
  );
}

function sourceLines({ file, line }: Place, root: string): string {
  let lines: readonly string[];
  try {
    lines = readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  }
  const first = Math.max(1, line - LINES_AROUND);
  const shown = lines.slice(first - 1, line + LINES_AROUND).map((text, at) => {
    const number = first + at;
    const row = `${String(number).padStart(4)}  ${escapeHtml(text)}`;
    return number === line ? `<mark>${row}</mark>` : row;
  });
  return `<p><strong>${escapeHtml(relative(root, file))}:${line}</strong></p><pre>${shown.join('\n')}</pre>`;
}

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}' +
  'pre{overflow:auto;padding:.8rem;border:1px solid #8886}mark{display:block;background:#b3261e33;color:inherit}' +
  'h1{font-size:1.4rem}.hint{font-weight:600}.quiet{opacity:.7}';
