/** Ids of striped tables, for the planner, from blocks of counters in the registry: one counter a table. */
import { IdBlocks } from '../database/database.ts';
import type { IdSource } from '../planner/planner.ts';
import type { Registry } from '../registry/registry.ts';

export class TableIds implements IdSource {
  readonly #registry: Registry;
  readonly #database: string;
  readonly #tables = new Map<string, IdBlocks>();

  constructor(registry: Registry, database: string) {
    this.#registry = registry;
    this.#database = database;
  }

  async next(counter: string, count: number): Promise<bigint> {
    return BigInt(await this.#blocks(counter).take(count));
  }

  async taken(counter: string, id: bigint): Promise<boolean> {
    // Above it SQLite looks for a free id at random, which a stripe does by itself.
    if (id <= 0n || id >= BigInt(Number.MAX_SAFE_INTEGER)) return false;
    return await this.#blocks(counter).raiseAbove(Number(id));
  }

  forget(): void {
    this.#tables.clear();
  }

  #blocks(counter: string): IdBlocks {
    const name = encodeURIComponent(counter);
    const known = this.#tables.get(name);
    if (known !== undefined) return known;
    const blocks = new IdBlocks(this.#registry, this.#database, name);
    this.#tables.set(name, blocks);
    return blocks;
  }
}
