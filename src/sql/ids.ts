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

  async next(table: string, count: number): Promise<bigint> {
    return BigInt(await this.#blocks(table).take(count));
  }

  async taken(table: string, id: bigint): Promise<void> {
    // Above it SQLite looks for a free id at random, which a stripe does by itself.
    if (id > 0n && id < BigInt(Number.MAX_SAFE_INTEGER))
      await this.#blocks(table).raiseAbove(Number(id));
  }

  forget(): void {
    this.#tables.clear();
  }

  #blocks(table: string): IdBlocks {
    const name = encodeURIComponent(table.toLowerCase());
    const known = this.#tables.get(name);
    if (known !== undefined) return known;
    const blocks = new IdBlocks(this.#registry, this.#database, name);
    this.#tables.set(name, blocks);
    return blocks;
  }
}
