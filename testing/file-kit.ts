/** A file store of one machine for tests: the real database process with the catalogue, real folders, no agent. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { LocalBlobs } from '../src/blobs/blobs.ts';
import type { DatabasesConfig, ProcessState } from '../src/databases/control.ts';
import { ProcessSupervisor } from '../src/databases/process-supervisor.ts';
import { processPaths } from '../src/databases/process-record.ts';
import { CatalogueLink } from '../src/files/catalogue-link.ts';
import type { AccessKey, Place, Places } from '../src/files/files.ts';
import { createCatalogue } from '../src/files/schema.ts';
import { Sessions } from '../src/files/sessions.ts';
import { Store } from '../src/files/store.ts';
import { until } from './until.ts';

const GIB: number = 1024 ** 3;

export interface FileKitOptions {
  /** Back ends; each is a machine of its own for the policies. Default 1. */
  readonly places?: number;
  readonly accessKeys?: readonly AccessKey[];
  /** A byte of which the cluster's key of files is made. */
  readonly key?: number;
}

export class FileKit implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'moln-files-'));
  readonly stack: AsyncDisposableStack = new AsyncDisposableStack();
  readonly blobs: Map<string, LocalBlobs> = new Map();
  readonly places: Map<string, Place> = new Map();
  readonly #places: Places = {
    self: 'n1',
    all: () => [...this.places.values()],
    blobs: (id) => this.blobs.get(id),
    suspect: () => undefined,
    look: async () => await this.onLook(),
  };
  /** What is found out when places are looked for. */
  onLook: () => Promise<void> = () => Promise.resolve();
  #link: CatalogueLink | undefined;
  #store: Store | undefined;
  #sessions: Sessions | undefined;

  static async start(options: FileKitOptions = {}): Promise<FileKit> {
    const kit = new FileKit();
    await kit.#start(options);
    return kit;
  }

  get store(): Store {
    if (this.#store === undefined) throw new Error('The kit is not started');
    return this.#store;
  }

  get link(): CatalogueLink {
    if (this.#link === undefined) throw new Error('The kit is not started');
    return this.#link;
  }

  /** What the parts below the store are made of. */
  parts(): {
    readonly store: Store;
    readonly link: CatalogueLink;
    readonly sessions: Sessions;
    readonly places: Places;
  } {
    if (this.#sessions === undefined) throw new Error('The kit is not started');
    const { store, link } = this;
    return { store, link, sessions: this.#sessions, places: this.#places };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #start(options: FileKitOptions): Promise<void> {
    const { places = 1, accessKeys = [] } = options;
    const folders = {
      folder: join(this.folder, 'databases'),
      runFolder: join(this.folder, 'run'),
      logFolder: join(this.folder, 'logs'),
    };
    for (const folder of Object.values(folders)) mkdirSync(folder);
    const supervisor = new ProcessSupervisor<DatabasesConfig, ProcessState>({
      folders,
      clock: systemClock,
      log: silentLogger,
    });
    await supervisor.start();
    this.stack.defer(() => supervisor.stop());
    supervisor.configure({
      node: 'n1',
      log: { kind: 'embedded' },
      peers: undefined,
      databases: [
        {
          name: 'moln-files',
          id: 'abcdefghjkmn',
          stripes: 1,
          places: [['n1']],
          splits: [],
          copies: 1,
          regions: [],
          tokenKey: Buffer.alloc(32, 1).toString('base64'),
        },
      ],
      dropped: [],
      tokens: [],
    });
    await until('the catalogue is open', async () => {
      try {
        const state = await supervisor.state();
        return state.databases[0]?.primaries[0] === 'n1';
      } catch {
        return false;
      }
    });
    const clock = systemClock;
    const log = silentLogger;
    const link = new CatalogueLink({ socketPath: processPaths(folders).socket, clock });
    this.stack.use(link);
    this.#link = link;
    await createCatalogue(link);
    for (let at = 1; at <= places; at += 1) await this.#addPlace(`n${at}`);
    const sessions = this.stack.use(new Sessions({ link, node: 'n1', clock, log }));
    this.#sessions = sessions;
    this.#store = new Store({
      link,
      sessions,
      clock,
      log,
      key: () => Buffer.alloc(32, options.key ?? 2),
      accessKey: (id) => Promise.resolve(accessKeys.find((key) => key.id === id)),
      places: this.#places,
    });
  }

  async #addPlace(node: string): Promise<void> {
    const id = `${node}/main`;
    const blobs = await LocalBlobs.open({
      backends: [{ path: join(this.folder, node), limitBytes: 10 * GIB, create: true }],
      nodeId: node,
      clock: systemClock,
      log: silentLogger,
    });
    this.stack.use(blobs);
    this.blobs.set(id, blobs);
    this.places.set(id, {
      id,
      node,
      name: node,
      zone: node,
      region: 'home',
      labels: new Set(),
      freeBytes: 10 * GIB,
      state: 'good',
    });
  }
}
