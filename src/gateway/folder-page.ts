/** What is in a folder, as a small page for people: names, sizes and times, sorted as the query asks. */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { escapeHtml } from '../base/html.ts';
import { isoTime } from '../base/time.ts';

/** A folder with more is not listed to its end. */
export const LISTED_MAX = 5000;

interface Listed {
  readonly name: string;
  readonly isFolder: boolean;
  readonly size: number;
  readonly mtimeMs: number;
}

const ORDERS = ['name', 'size', 'time'] as const;
type Order = (typeof ORDERS)[number];

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** `path` as it was asked for, with its final slash; `query` without its question mark. */
export async function folderPage(folder: string, path: string, query: string): Promise<string> {
  const entries = await readdir(folder, { withFileTypes: true });
  const shown = entries.filter(isShown).slice(0, LISTED_MAX);
  const listed = await Promise.all(shown.map((entry) => lookAt(folder, entry)));
  const asked = new URLSearchParams(query);
  const order = ORDERS.find((one) => one === asked.get('sort')) ?? 'name';
  const isDown = asked.get('order') === 'down';
  const sorted = listed.filter((one) => one !== undefined).sort((a, b) => compare(a, b, order));
  return render({
    path,
    entries: isDown ? sorted.reverse() : sorted,
    order,
    isDown,
    isCut: entries.length > LISTED_MAX,
  });
}

/** Nothing that could not be asked for: no dotfiles, no links, which may lead out of the root. */
function isShown(entry: Dirent): boolean {
  return !entry.name.startsWith('.') && (entry.isFile() || entry.isDirectory());
}

async function lookAt(folder: string, entry: Dirent): Promise<Listed | undefined> {
  try {
    const { size, mtimeMs } = await stat(`${folder}/${entry.name}`);
    return { name: entry.name, isFolder: entry.isDirectory(), size, mtimeMs };
  } catch {
    // It was removed meanwhile, or nobody may look at it: it is not there.
    return undefined;
  }
}

/** Folders first. */
function compare(a: Listed, b: Listed, order: Order): number {
  if (a.isFolder !== b.isFolder) return a.isFolder ? -1 : 1;
  if (order === 'size' && a.size !== b.size) return a.size - b.size;
  if (order === 'time' && a.mtimeMs !== b.mtimeMs) return a.mtimeMs - b.mtimeMs;
  return a.name < b.name ? -1 : 1;
}

function render(page: {
  readonly path: string;
  readonly entries: readonly Listed[];
  readonly order: Order;
  readonly isDown: boolean;
  readonly isCut: boolean;
}): string {
  const { path, entries, order, isDown, isCut } = page;
  const title = escapeHtml(shownPath(path));
  const columns = ORDERS.map((one) => {
    const next = one === order && !isDown ? 'down' : 'up';
    return `<th><a href="?sort=${one}&amp;order=${next}">${one}</a></th>`;
  });
  const up = path === '/' ? '' : '<tr><td><a href="../">../</a></td><td></td><td></td></tr>\n';
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.6 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th { font-weight: 600; text-align: left; }
td:nth-child(n + 2), th:nth-child(n + 2) { text-align: right; white-space: nowrap; }
td:first-child { overflow-wrap: anywhere; }
</style>
<h1>${title}</h1>
<table>
<tr>${columns.join('')}</tr>
${up}${entries.map(row).join('')}</table>
${isCut ? `<p>Only the first ${LISTED_MAX} are shown.</p>\n` : ''}</html>
`;
}

function row({ name, isFolder, size, mtimeMs }: Listed): string {
  const shown = escapeHtml(isFolder ? `${name}/` : name);
  // `./` so that a name with a colon is not taken for a scheme.
  const href = `./${encodeURIComponent(name)}${isFolder ? '/' : ''}`;
  const time = isoTime(mtimeMs).slice(0, 16).replace('T', ' ');
  const cells = `<td>${isFolder ? '' : sizeText(size)}</td><td>${time}</td>`;
  return `<tr><td><a href="${escapeHtml(href)}">${shown}</a></td>${cells}</tr>\n`;
}

function sizeText(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${UNITS[unit]}`;
}

function shownPath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    // Codes that are no UTF-8 are shown as they are.
    return path;
  }
}
