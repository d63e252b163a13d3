/** Writes 0, 1, 2 … into a database one after the other, and knows which were acknowledged, and of which nobody can say. */
import { type Client, createHttpClient } from './libsql-clients.ts';
import type { TestNode } from './test-node.ts';

/** Errors that say that nothing was changed. */
const NOTHING_DONE =
  /^(?:DATABASE_NOT_PRIMARY|DATABASE_NOT_COMMITTED|DATABASES_NOT_READY|DATABASES_PEER_AWAY|DATABASES_NOT_FOUND)$/;

export const COUNTED = 'CREATE TABLE counted (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)';

/** Of the database `shop`, through that node. */
export function clientOf(node: TestNode, authToken: string, database = 'shop'): Client {
  const url = `http://${node.address}:${node.ports.api}/db/${database}/`;
  return createHttpClient({ url, authToken, intMode: 'number' });
}

export async function numbersIn(client: Client): Promise<readonly number[]> {
  const { rows } = await client.execute('SELECT n FROM counted ORDER BY n');
  return rows.map((row) => Number(row['n']));
}

export class CountingClient {
  readonly acknowledged: Set<number> = new Set();
  readonly unknown: Set<number> = new Set();
  /** Of each acknowledged write, by the monotonic clock. */
  readonly times: number[] = [];
  readonly errors: string[] = [];
  readonly #client: Client;
  #isStopped = false;
  #loop: Promise<void> = Promise.resolve();
  #next: number;

  constructor(client: Client, from = 0) {
    this.#client = client;
    this.#next = from;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loop;
  }

  /** What is wrong with these rows of `counted`, in words. */
  problems(rows: readonly number[]): readonly string[] {
    const counts = new Map<number, number>();
    for (const n of rows) counts.set(n, (counts.get(n) ?? 0) + 1);
    const lost = [...this.acknowledged].filter((n) => !counts.has(n));
    const twice = [...counts].filter(([, count]) => count > 1).map(([n]) => n);
    return [
      ...lost.map((n) => `${n} was acknowledged and is lost`),
      ...twice.map((n) => `${n} is there twice`),
    ];
  }

  /** The longest time between two acknowledged writes. */
  get longestPauseMs(): number {
    return Math.max(0, ...this.times.slice(1).map((at, index) => at - (this.times[index] ?? at)));
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const n = this.#next++;
      try {
        await this.#client.execute({ sql: 'INSERT INTO counted (n) VALUES (?)', args: [n] });
        this.acknowledged.add(n);
        this.times.push(performance.now());
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : '';
        this.errors.push(`${n}: ${code} ${String(error)}`);
        if (!NOTHING_DONE.test(code)) this.unknown.add(n);
      }
    }
  }
}
