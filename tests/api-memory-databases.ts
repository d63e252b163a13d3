/** The part of `MemoryCloud` that is about databases and the file store. */
import type { Cloud } from '../src/api/api.ts';
import type { DatabaseDetail } from '../src/api/database-model.ts';
import type { StorageDetail } from '../src/api/storage-model.ts';

const DATABASE: DatabaseDetail = {
  name: 'shop',
  state: 'open',
  why: undefined,
  stripes: 1,
  copies: 2,
  regions: [],
  emptyRegions: [],
  path: '/db/shop/',
  bytes: 4096,
  connections: 0,
  createdAt: 1_800_000_000_000,
  by: 'local',
  snapshotsWait: undefined,
  copyWaits: undefined,
  restorable: undefined,
  stripeDetails: [],
  queries: [],
  slow: [],
};

const STORAGE: StorageDetail = {
  state: 'open',
  sentence: 'Every block has the copies that it wants',
  places: [],
  buckets: [],
  totals: { buckets: 0, bytes: 0, objects: 0 },
  copies: { countedAt: 1_800_000_000_000, counts: [], lacking: { blocks: 0, bytes: 0 } },
  repair: { node: 'one', done: undefined },
};

export class MemoryDatabases {
  readonly calls: unknown[] = [];

  showStorage(): ReturnType<Cloud['showStorage']> {
    return Promise.resolve(STORAGE);
  }

  listDatabases(): ReturnType<Cloud['listDatabases']> {
    return Promise.resolve([DATABASE]);
  }

  showDatabase(): ReturnType<Cloud['showDatabase']> {
    return Promise.resolve(DATABASE);
  }

  async createDatabase(
    ...asked: Parameters<Cloud['createDatabase']>
  ): ReturnType<Cloud['createDatabase']> {
    await this.#noted({ createDatabase: asked });
    return DATABASE;
  }

  dropDatabase(...asked: Parameters<Cloud['dropDatabase']>): Promise<void> {
    return this.#noted({ dropDatabase: asked });
  }

  async restoreDatabase(
    ...asked: Parameters<Cloud['restoreDatabase']>
  ): ReturnType<Cloud['restoreDatabase']> {
    await this.#noted({ restoreDatabase: asked });
    return { database: asked[1].as, at: asked[1].at };
  }

  listLostDatabases(): ReturnType<Cloud['listLostDatabases']> {
    return Promise.resolve([]);
  }

  async restoreLostDatabase(
    ...asked: Parameters<Cloud['restoreLostDatabase']>
  ): ReturnType<Cloud['restoreLostDatabase']> {
    await this.#noted({ restoreLostDatabase: asked });
    return { database: asked[1].as, at: 1 };
  }

  forgetLostDatabase(...asked: Parameters<Cloud['forgetLostDatabase']>): Promise<void> {
    return this.#noted({ forgetLostDatabase: asked });
  }

  async moveStripe(...asked: Parameters<Cloud['moveStripe']>): ReturnType<Cloud['moveStripe']> {
    await this.#noted({ moveStripe: asked });
    throw new Error('This cloud has no stripes');
  }

  async splitStripe(...asked: Parameters<Cloud['splitStripe']>): ReturnType<Cloud['splitStripe']> {
    await this.#noted({ splitStripe: asked });
    throw new Error('This cloud has no stripes');
  }

  async scrubDatabase(
    ...asked: Parameters<Cloud['scrubDatabase']>
  ): ReturnType<Cloud['scrubDatabase']> {
    await this.#noted({ scrubDatabase: asked });
    return { stripes: [0] };
  }

  async createDatabaseToken(
    ...asked: Parameters<Cloud['createDatabaseToken']>
  ): ReturnType<Cloud['createDatabaseToken']> {
    await this.#noted({ createDatabaseToken: asked });
    return { token: 'molndb.x.y' };
  }

  revokeDatabaseTokens(name: string): Promise<void> {
    return this.#noted({ revokeDatabaseTokens: name });
  }

  killQuery(...asked: Parameters<Cloud['killQuery']>): Promise<void> {
    return this.#noted({ killQuery: asked });
  }

  async explainQuery(
    ...asked: Parameters<Cloud['explainQuery']>
  ): ReturnType<Cloud['explainQuery']> {
    await this.#noted({ explainQuery: asked });
    return { plan: 'router', stripes: [0], lines: [] };
  }

  #noted(call: unknown): Promise<void> {
    this.calls.push(call);
    return Promise.resolve();
  }
}
