/** The file store of this process: opened when the catalogue answers, with its storages, faces and background work. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { findToken } from '../accounts/accounts.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { PutAsked, Written } from '../blobs/blobs.ts';
import { AccessKeys } from './access-keys.ts';
import { AdminHttp } from './admin-http.ts';
import { CatalogueLink } from './catalogue-link.ts';
import { BlockCensus } from './census.ts';
import { Checkpoints } from './checkpoint.ts';
import { Collector } from './collector.ts';
import { type FilesConfig, type FilesTroubles, LOCAL_HEADER } from './control.ts';
import { filesAway, forbidden, unauthorized } from './errors.ts';
import { FaceTable } from './face-table.ts';
import type { FaceContext, FaceMaker } from './faces.ts';
import { readTarget } from './http-words.ts';
import { START_AGAIN_MS } from './limits.ts';
import { NativeHttp } from './native-http.ts';
import { PeerBlobs } from './peer-blobs.ts';
import { PlaceTable } from './place-table.ts';
import { isHere, judge } from './placement.ts';
import { parsePolicy } from './policy.ts';
import { Recovery } from './recovery.ts';
import { encryptionKey, printRecoveryKey } from './recovery-key.ts';
import { createCatalogue } from './schema.ts';
import { Sessions } from './sessions.ts';
import { storageState, type StorageState, troublesOf } from './storage-state.ts';
import { Store } from './store.ts';
import { forUsers } from './system-bucket.ts';
import { SystemObjects } from './system-objects.ts';
import { Upkeep } from './upkeep.ts';
import { whyObject } from './why.ts';

export interface FilesHostOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly faces: readonly FaceMaker[];
}

interface Open {
  readonly native: NativeHttp;
  readonly admin: AdminHttp;
  readonly places: PlaceTable;
  readonly upkeep: Upkeep;
  readonly store: Store;
  readonly system: SystemObjects;
  readonly census: BlockCensus;
  readonly faces: FaceTable;
}

const ADMIN = '-';
type Scope = 'admin' | 'deploy' | 'read';

export class FilesHost implements AsyncDisposable {
  readonly #options: FilesHostOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #stop = new AbortController();
  readonly #peers: PeerBlobs;
  #config: FilesConfig | undefined;
  #opening: Promise<void> | undefined;
  #open: Open | undefined;
  /** Why it does not serve yet. */
  why: string | undefined = 'it has no config yet';

  constructor(options: FilesHostOptions) {
    this.#options = options;
    this.#peers = new PeerBlobs({ clock: options.clock, config: () => this.#config });
  }

  configure(config: FilesConfig): void {
    this.#config = config;
    this.#open?.places.configure(config);
    this.#opening ??= this.#openUntilDone(config);
  }

  /** For clients: what the API hands on. Throws what they are to be told. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const open = this.#open;
    if (open === undefined) throw filesAway(this.why ?? 'it is being opened');
    const target = readTarget(request.url ?? '');
    const method = request.method ?? 'GET';
    const isAdmin = target.bucket === ADMIN;
    const reads = method === 'GET' || method === 'HEAD';
    const needs = isAdmin && !reads ? 'admin' : reads ? 'read' : 'deploy';
    const caller = this.#callerOf(request, needs);
    const asked = { ...target, method, caller, request, response };
    await (isAdmin ? open.admin.answer(asked) : open.native.answer(asked));
  }

  /** For this node's agent and database process: what they keep in the system's buckets. Throws `FILES_AWAY` while it does not serve. */
  async answerAgent(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const system = this.#open?.system;
    if (system === undefined) throw filesAway(this.why ?? 'it is being opened');
    await system.answer(request, response);
  }

  /** For other nodes: the blocks that lie here. */
  async answerPeer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#peers.answer(this.#ownPlaces(), request, response);
  }

  /** The same, of a put that was read past node:http. */
  async putOfPeer(asked: PutAsked): Promise<Written> {
    return await this.#peers.put(this.#ownPlaces(), asked);
  }

  #ownPlaces(): PlaceTable {
    const places = this.#open?.places;
    if (places === undefined) throw filesAway(this.why ?? 'it is being opened');
    return places;
  }

  /** Throws `FILES_AWAY` while it does not serve. */
  async storage(): Promise<StorageState> {
    const open = this.#open;
    if (open === undefined) throw filesAway(this.why ?? 'it is being opened');
    const { nodes = [] } = this.#config ?? {};
    const repairs = nodes.find(({ state }) => state === 'ready')?.name;
    const { clock } = this.#options;
    return await storageState({
      ...open,
      repair: open.upkeep.repair,
      repairs,
      isRepairing: this.#isFirst(),
      clock,
    });
  }

  /** From what is known anyway. */
  troubles(): FilesTroubles {
    const open = this.#open;
    if (open !== undefined) {
      const { troubles, warnings } = troublesOf(open.places.views(), open.census.known);
      return { troubles, warnings: [...warnings, ...open.faces.warnings()] };
    }
    return {
      troubles: this.why === undefined ? [] : [`files are not served: ${this.why}`],
      warnings: [],
    };
  }

  /** None while it does not serve. */
  faces(): Readonly<Record<string, string>> {
    return this.#open?.faces.listening() ?? {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The file process ends'));
    await this.#opening;
    await this.#stack.disposeAsync();
    this.#peers[Symbol.dispose]();
  }

  #callerOf(request: IncomingMessage, needs: Scope): string {
    if (request.headers[LOCAL_HEADER] === '1') return 'local';
    const [, token] = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    const { clock } = this.#options;
    const found =
      token === undefined ? undefined : findToken(this.#config?.tokens ?? [], token, clock.now());
    if (found === undefined) throw unauthorized();
    const order: readonly Scope[] = ['read', 'deploy', 'admin'];
    if (order.indexOf(found.scope) < order.indexOf(needs)) throw forbidden(needs);
    return found.id;
  }

  async #openUntilDone(config: FilesConfig): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    const link = this.#stack.use(new CatalogueLink({ socketPath: config.databaseSocket, clock }));
    while (!signal.aborted) {
      try {
        await this.#openOnce(this.#config ?? config, link);
        this.why = undefined;
        return;
      } catch (error) {
        this.why = messageOf(error);
        log.warn('Files cannot be served yet', { why: this.why });
        await clock.sleep(START_AGAIN_MS, signal).catch(() => undefined);
      }
    }
  }

  async #openOnce(config: FilesConfig, link: CatalogueLink): Promise<void> {
    const { clock, log } = this.#options;
    await using stack = new AsyncDisposableStack();
    await createCatalogue(link);
    const places = stack.use(
      new PlaceTable({
        link,
        far: (node, place, transfers) => this.#peers.far(node, place, transfers),
        source: (place, cid) => this.#peers.source(place, cid),
        clock,
        log,
      }),
    );
    places.configure(config);
    await places.open();
    const sessions = stack.use(new Sessions({ link, node: config.node, clock, log }));
    const key = (): Uint8Array => Buffer.from(this.#config?.key ?? '', 'base64');
    const keys = new AccessKeys({ link, key, clock });
    const isFirst = (): boolean => this.#isFirst();
    const upkeep = stack.use(new Upkeep({ link, places, sessions, isFirst, clock, log }));
    const { repair, copies } = upkeep;
    const store = new Store({
      link,
      places,
      sessions,
      accessKey: (id) => keys.get(id),
      key,
      onBadCopy: (...copy) => {
        copies.miss(...copy).then(
          () => repair.wake(),
          (error: unknown) => log.warn('A bad copy is not noted', { why: messageOf(error) }),
        );
      },
      clock,
      log,
    });
    const onMissing = (): void => repair.wake();
    const collector = new Collector({ link, places, copies, onMissing, clock, log });
    const nameOf = (id: string): string => {
      const place = places.views().find((one) => one.id === id);
      return place === undefined ? id : `${place.nodeName}/${place.name}`;
    };
    const { contents } = store;
    const native = new NativeHttp({
      store,
      why: (bucket, key) =>
        whyObject({ link, store, contents, places, nameOf, clock }, bucket, key),
      lacks: (policy) => judge(parsePolicy(policy), places.all().filter(isHere)).missing,
    });
    places.onChange = () => repair.wake();
    const checkpoints = new Checkpoints({ link, contents, places, sessions, clock, log });
    upkeep.start({ collector, checkpoints, isFirst, places, clock });
    const faces = stack.use(
      new FaceTable({
        makers: this.#options.faces,
        contextOf: (face) => this.#contextOf(face, { store: forUsers(store), keys }),
        clock,
        log,
      }),
    );
    await faces.open();
    const census = new BlockCensus({ link, places, clock, log });
    const recovery = stack.use(
      new Recovery({
        link,
        store,
        places,
        sessions,
        scratch: join(dirname(config.ownStorage), 'recovery'),
        onBlocks: () => repair.wake(),
        clock,
        log,
      }),
    );
    const admin = new AdminHttp({
      faces,
      store,
      keys,
      places,
      upkeep,
      census,
      recovery,
      checkpoints,
      recoveryKey: () => printRecoveryKey(encryptionKey(key())),
    });
    const system = new SystemObjects(store);
    this.#open = { native, admin, places, upkeep, store, system, census, faces };
    this.#stack.use(stack.move());
  }

  #contextOf(
    face: FaceMaker['name'],
    { store, keys }: { readonly store: Store; readonly keys: AccessKeys },
  ): FaceContext | undefined {
    const { clock, log } = this.#options;
    const config = this.#config;
    if (config === undefined) return undefined;
    return {
      store,
      clock,
      log: log.for(face),
      at:
        face === 'website'
          ? { socket: config.websiteSocket }
          : { address: config.address, port: config.ports[face] },
      keyOfToken: (token) => {
        const found = findToken(this.#config?.tokens ?? [], token, clock.now());
        if (found === undefined) return Promise.resolve(undefined);
        return Promise.resolve({ owner: found.id, may: 'all', readOnly: found.scope === 'read' });
      },
      people: async (id) => ((await keys.isOwner(id)) ? { id, name: id } : undefined),
    };
  }

  /** One node of the cluster does what is to be done once: the oldest that is ready. */
  #isFirst(): boolean {
    const first = this.#config?.nodes.find(({ state }) => state === 'ready');
    return first === undefined || first.id === this.#config?.node;
  }
}
