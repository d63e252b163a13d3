/**
 * Regions of pages that follow the tables they show. A page asks to be told when a table has changed, over SSE, and then asks for
 * itself again, so nobody sees what the page would not show them. Changes are counted in the database: instances hear of each other.
 * The count is a hint that comes a moment after the change; an instance that dies in that moment does not tell.
 */
import { MolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { currentContext } from './context.ts';
import { type Child, element, Fragment, type JSX } from './jsx-runtime.ts';
import { type Database, onRowsChanged, theConnection } from './sql.ts';

export const CHANGES_TABLE =
  'CREATE TABLE IF NOT EXISTS moln_changes (name TEXT PRIMARY KEY, version INTEGER NOT NULL)';
export const LIVE_PATH = '/_moln/live';
export const LIVE_SCRIPT_PATH = '/_moln/live.js';

/** Changes of one table that come together are told once. */
const GATHER_MS = 100;
/** How often changes of other instances are looked for, while somebody watches here. */
const LOOK_MS = 500;
/** Then the page connects anew, at once: an instance that is replaced does not wait for long. */
const STREAM_MS = 15_000;
/** Pages that one instance tells. */
const WATCHERS_MAX = 5000;
const TABLES_MAX = 20;

interface Watcher {
  readonly tables: readonly string[];
  seen: string;
  tell(version: string): void;
}

export interface LiveProps {
  /** The models whose rows it shows. */
  readonly of: readonly { readonly table: string }[];
  readonly children?: unknown;
}

/** `<Live of={[Post]}>…</Live>`: what is inside is made anew when posts change. Without JavaScript it is as it was when it was loaded. */
export async function Live({ of, children }: LiveProps): Promise<JSX.Element> {
  const { locals } = currentContext();
  const count = Number(locals['moln.live'] ?? 0) + 1;
  locals['moln.live'] = count;
  const tables = of.map(({ table }) => table).sort();
  const version = await versionOf(tables);
  const region = { id: `live-${count}`, 'data-tables': tables.join(' '), 'data-version': version };
  const script = count === 1 ? element('script', { src: LIVE_SCRIPT_PATH, type: 'module' }) : null;
  const inside = element('moln-live', region, children as Child);
  return element(Fragment, {}, inside, script) as unknown as JSX.Element;
}

/** What a page has seen: text that is another one after each change. From now on changes of these tables are counted. */
async function versionOf(tables: readonly string[]): Promise<string> {
  const marks = tables.map(() => '?').join(', ');
  const select = {
    sql: `SELECT name, version FROM moln_changes WHERE name IN (${marks}) ORDER BY name`,
    args: tables,
  };
  const { rows } = await theConnection().run(select);
  const missing = tables.filter((table) => !rows.some(({ name }) => name === table));
  for (const table of missing) {
    await theConnection().run({
      sql: 'INSERT OR IGNORE INTO moln_changes (name, version) VALUES (?, 0)',
      args: [table],
    });
  }
  const found = new Map(rows.map(({ name, version }) => [String(name), Number(version)]));
  return versionText(tables, found);
}

function versionText(tables: readonly string[], versions: ReadonlyMap<string, number>): string {
  return tables.map((table) => versions.get(table) ?? 0).join('.');
}

/** Of one app in one process: counts what is changed here, and tells who watches here. */
export class LiveHub implements Disposable {
  readonly #database: Database;
  readonly #log: Logger;
  readonly #watchers = new Set<Watcher>();
  readonly #listening: Disposable;
  readonly #dirty = new Set<string>();
  #gathering: Disposable | undefined;
  #looking: Disposable | undefined;
  #isLooking = false;

  constructor(database: Database, log: Logger) {
    this.#database = database;
    this.#log = log;
    this.#listening = onRowsChanged((tables) => this.#changed(tables));
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
    this.#gathering?.[Symbol.dispose]();
    this.#looking?.[Symbol.dispose]();
    for (const watcher of this.#watchers) watcher.tell('');
  }

  /** The stream that a page listens to. Its tables come from a page, but are only compared. */
  stream(request: Request): Response {
    const { searchParams } = new URL(request.url);
    const tables = (searchParams.get('tables') ?? '')
      .split(' ')
      .filter((name) => name !== '')
      .sort();
    if (tables.length === 0 || tables.length > TABLES_MAX) {
      throw new MolnError(
        'WEB_BAD_BODY',
        `A page watches 1 to ${TABLES_MAX} tables, not ${tables.length}`,
      );
    }
    if (this.#watchers.size >= WATCHERS_MAX)
      return new Response(null, { status: 503, headers: { 'retry-after': '30' } });
    const encoder = new TextEncoder();
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const leave = (): void => {
          end[Symbol.dispose]();
          if (this.#watchers.delete(watcher)) controller.close();
          if (this.#watchers.size === 0) this.#rest();
        };
        const watcher: Watcher = {
          tables,
          seen: searchParams.get('version') ?? '',
          tell: (version) =>
            version === '' ? leave() : controller.enqueue(encoder.encode(`data: ${version}\n\n`)),
        };
        const end = systemClock.after(STREAM_MS, leave);
        controller.enqueue(encoder.encode('retry: 100\n\n'));
        request.signal.addEventListener('abort', leave, { once: true });
        this.#watchers.add(watcher);
        this.#looking ??= systemClock.every(LOOK_MS, () => void this.#look());
        void this.#look();
      },
    });
    return new Response(stream, {
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
    });
  }

  #rest(): void {
    this.#looking?.[Symbol.dispose]();
    this.#looking = undefined;
  }

  #changed(tables: ReadonlySet<string>): void {
    for (const table of tables) this.#dirty.add(table);
    this.#gathering ??= systemClock.after(GATHER_MS, () => {
      this.#gathering = undefined;
      void this.#count();
    });
  }

  /** Only tables that a page has shown are counted: for others there is no row. */
  async #count(): Promise<void> {
    const tables = [...this.#dirty];
    this.#dirty.clear();
    const marks = tables.map(() => '?').join(', ');
    try {
      const sql = `UPDATE moln_changes SET version = version + 1 WHERE name IN (${marks})`;
      await this.#database.run({ sql, args: tables });
      if (this.#watchers.size > 0) await this.#look();
    } catch (error) {
      this.#log.warn('A change cannot be told to live pages', { tables, error: messageOf(error) });
    }
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const { rows } = await this.#database.run({
        sql: 'SELECT name, version FROM moln_changes',
        args: [],
      });
      const versions = new Map(rows.map(({ name, version }) => [String(name), Number(version)]));
      for (const watcher of this.#watchers) {
        const version = versionText(watcher.tables, versions);
        if (version === watcher.seen) continue;
        watcher.seen = version;
        watcher.tell(version);
      }
    } catch (error) {
      this.#log.warn('Changes cannot be looked for', { error: messageOf(error) });
    } finally {
      this.#isLooking = false;
    }
  }
}

/** Runs in the browser. A region in which somebody types is left alone until they are done. */
export const LIVE_SCRIPT: string = `const regions = () => [...document.querySelectorAll('moln-live')];
const groups = new Map(regions().map((each) => [each.dataset.tables, each.dataset.version]));
const refresh = async () => {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  for (const region of regions()) {
    const next = page.getElementById(region.id);
    const types = region.contains(document.activeElement) && document.activeElement.matches('input, textarea, select');
    if (next && !types && next.innerHTML !== region.innerHTML) region.replaceChildren(...next.childNodes);
  }
};
let running = Promise.resolve();
const listen = (tables, version) => {
  const events = new EventSource('${LIVE_PATH}?' + new URLSearchParams({ tables, version }));
  let seen = version;
  events.onmessage = ({ data }) => { seen = data; running = running.then(refresh, refresh); };
  events.onerror = () => { events.close(); setTimeout(() => listen(tables, seen), 150 + Math.random() * 350); };
};
for (const [tables, version] of groups) listen(tables, version);
`;
