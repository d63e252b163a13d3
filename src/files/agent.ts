/**
 * The agent's side of files: the process starts with the first use of them anywhere in the cluster, and gets its config from here. Until then
 * a node pays nothing for them.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Accounts, KnownToken } from '../accounts/accounts.ts';
import { followAgain } from '../base/again.ts';
import { isMolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { PeerNode, Peers } from '../cluster/cluster.ts';
import {
  type DatabaseFolders,
  type Databases,
  type KeySealer,
  processPaths,
  ProcessSupervisor,
} from '../databases/databases.ts';
import type { Registry } from '../registry/registry.ts';
import { type AppFolder, requireFolder } from './app-folder.ts';
import { appKey } from './app-keys.ts';
import { isBucketName } from './buckets.ts';
import {
  CONTROL,
  type FilesAccess,
  type FilesConfig,
  type FilesState,
  type FilesTroubles,
} from './control.ts';
import { filesAway, noBucket, noWebDav, unauthorized } from './errors.ts';
import { FilesDoor, type Upload } from './files-door.ts';
import { sendError } from './http-words.ts';
import {
  CATALOGUE,
  FACE_WAIT_MS,
  HANG_TIMEOUT_MS,
  START_WAIT_MS,
  TROUBLES_WITHIN_MS,
  WATCH_AGAIN_MS,
} from './limits.ts';
import { KeptObjects, objectsPath } from './kept-objects.ts';
import { filesPaths, websiteSocket } from './paths.ts';
import { FILES_ID, type FilesRecord, filesRecords } from './records.ts';
import type { StorageState } from './storage-state.ts';

export interface FilesOptions {
  readonly folders: DatabaseFolders;
  readonly databaseFolders: DatabaseFolders;
  /** Where this node keeps files unless it was told otherwise. */
  readonly ownStorage: string;
  readonly registry: Registry;
  readonly sealer: KeySealer;
  readonly accounts: Accounts;
  readonly peers: Pick<Peers, 'self' | 'all' | 'onChange'>;
  readonly databases: Databases;
  /** What it takes to call other nodes; undefined while alone. Asked at each config. */
  readonly access: () => FilesAccess | undefined;
  readonly address: string;
  /** By face; one that was asked for starts the process. */
  readonly ports: Readonly<Record<string, number | undefined>>;
  /** The module that exports `faces`. */
  readonly faces: string;
  /** Of `src`: what the faces load. */
  readonly faceFolders: readonly string[];
  /** This node's process says nothing, or speaks again: others are to be asked for what every node has. */
  readonly onSilence: (isSilent: boolean) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const ENTRY: string = fileURLToPath(new URL('./files-main.ts', import.meta.url));
const CODE_FOLDERS: readonly string[] = ['accounts', 'base', 'blobs', 'files', 'http', 'net'];
const SEAL_CONTEXT = 'files/store';
const KEY_BYTES = 32;
const PORTS: FilesConfig['ports'] = { s3: 7430, webdav: 7431 };

export class Files implements AsyncDisposable {
  readonly #options: FilesOptions;
  readonly #supervisor: ProcessSupervisor<FilesConfig, FilesState>;
  readonly #door: FilesDoor;
  /** What Moln itself keeps in the store. */
  readonly kept: Readonly<Record<'releases' | 'snapshots', KeptObjects>>;
  readonly #stop = new AbortController();
  #peersChange: Disposable | undefined;
  #record: FilesRecord | undefined;
  #tokens: readonly KnownToken[] | undefined;
  #told = '';
  #following: readonly Promise<void>[] = [];
  #making: Promise<void> | undefined;

  constructor(options: FilesOptions) {
    const { folders, faces, faceFolders, onSilence, clock, log } = options;
    this.#options = options;
    this.#supervisor = new ProcessSupervisor<FilesConfig, FilesState>({
      folders,
      kind: {
        name: 'file process',
        entry: ENTRY,
        words: [faces],
        codeFolders: [...CODE_FOLDERS, ...faceFolders],
        paths: filesPaths,
        away: filesAway,
      },
      hangTimeoutMs: HANG_TIMEOUT_MS,
      onSilence,
      clock,
      log,
    });
    this.#door = new FilesDoor(filesPaths(folders).socket, clock);
    const { socket } = filesPaths(folders);
    const isThere = (): boolean => this.#record !== undefined;
    this.kept = {
      releases: new KeptObjects({ socket, bucket: 'releases', isThere }),
      snapshots: new KeptObjects({ socket, bucket: 'snapshots', isThere }),
    };
  }

  /** Adopts the process of an earlier agent, and follows the record from now on. */
  async start(): Promise<void> {
    await this.#supervisor.start();
    const { accounts, peers, registry, log } = this.#options;
    const { signal } = this.#stop;
    this.#peersChange = peers.onChange(() => this.#tell());
    this.#following = [
      this.#follow(async () => {
        for await (const { records } of filesRecords(registry).watch(signal)) {
          this.#record = records.get(FILES_ID);
          this.#tell();
        }
      }),
      this.#follow(async () => {
        for await (const tokens of accounts.watchTokens(signal)) {
          this.#tokens = tokens;
          this.#tell();
        }
      }),
    ];
    const isAsked = Object.values(this.#options.ports).some((port) => port !== undefined);
    if (isAsked)
      this.#make('moln up').catch((error: unknown) =>
        log.error('The file store could not be made', { error }),
      );
  }

  /** Requests for `/files/…`: as `FilesDoor` of the API. Never rejects. */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    origin: { readonly isLocal: boolean; readonly by: string | undefined },
  ): Promise<void> {
    try {
      await this.#ready(request, origin);
    } catch (error) {
      sendError(request, response, error);
      return;
    }
    await this.#door.serve(request, response, origin);
  }

  /** As `FilesDoor` of the API: takes a large upload over while the process serves. */
  async lead(upload: Upload): Promise<boolean> {
    if (this.#record === undefined) return false;
    // What it is not to be asked for is told by `serve`, in the same words.
    const state = await this.state().catch(() => undefined);
    if (state === undefined || state.why !== undefined || upload.socket.destroyed) return false;
    this.#door.lead(upload);
    return true;
  }

  /** To be called when what `access` says has changed. */
  changed(): void {
    this.#tell();
  }

  /**
   * What an app finds in its environment: a key of its own for the bucket that its settings name (`S3_BUCKET`), or the one of its own name. Empty
   * while there is no file store, unless the settings name a bucket: then it is made. Empty too while the port of S3 is not known to be ours:
   * another program would get the app's files, and keys without an address are tried elsewhere.
   */
  async environmentOf(
    app: string,
    settings: Readonly<Record<string, string>>,
  ): Promise<Readonly<Record<string, string>>> {
    const { registry, log } = this.#options;
    const bucket = settings['S3_BUCKET'] ?? app;
    if (!isBucketName(bucket)) return {};
    if (this.#record === undefined && settings['S3_BUCKET'] !== undefined)
      await this.#make(`app ${app}`);
    const record = this.#record ?? (await filesRecords(registry).get(FILES_ID))?.value;
    if (record === undefined) return {};
    const endpoint = (await this.#serving(FACE_WAIT_MS))?.faces['s3'];
    if (endpoint === undefined) {
      log.warn('An app is started without S3, which does not listen here', {
        app,
        hint: 'See why with "moln status"; then restart the app',
      });
      return {};
    }
    const { id, secret } = appKey(this.#keyOf(record), app, bucket);
    return {
      S3_ENDPOINT: endpoint,
      S3_REGION: 'us-east-1',
      S3_BUCKET: bucket,
      S3_ACCESS_KEY_ID: id,
      S3_SECRET_ACCESS_KEY: secret,
    };
  }

  /**
   * Where WebDAV has a bucket, or a folder of it, for an app, with the app's own key, which opens no other bucket. Throws `FILES_NO_BUCKET`,
   * `FILES_NO_FOLDER`, and `FILES_NO_WEBDAV` while the port of WebDAV is not known to be ours: another program would get the key.
   */
  async folderOf(app: string, place: string): Promise<AppFolder> {
    const { registry } = this.#options;
    const [bucket = ''] = place.split('/');
    const record = this.#record ?? (await filesRecords(registry).get(FILES_ID))?.value;
    if (record === undefined) throw noBucket(bucket);
    const webdav = (await this.#serving(FACE_WAIT_MS))?.faces['webdav'];
    if (webdav === undefined) throw noWebDav();
    const url = `${webdav}/${place}/`;
    const { id, secret } = appKey(this.#keyOf(record), app, bucket);
    const folder: AppFolder = { url, user: id, password: secret };
    await requireFolder(folder, place);
    return folder;
  }

  /** Undefined while there is no process, or none that answers. */
  async state(): Promise<FilesState | undefined> {
    if (!this.#supervisor.isWanted) return undefined;
    try {
      return await this.#supervisor.state();
    } catch (error) {
      if (isMolnError(error, 'FILES_AWAY')) return undefined;
      throw error;
    }
  }

  /** Undefined while nothing was ever stored. Throws `FILES_AWAY`. Starts nothing. */
  async storage(): Promise<StorageState | undefined> {
    if (this.#record === undefined) return undefined;
    if (!this.#supervisor.isWanted) throw filesAway('it is being started');
    return (await this.#supervisor.ask(CONTROL.storage, {})) as StorageState;
  }

  /** Nothing while the process is away: that it is started again is no news. */
  async troubles(): Promise<FilesTroubles> {
    const none: FilesTroubles = { troubles: [], warnings: [] };
    if (!this.#supervisor.isWanted) return none;
    try {
      const asked = this.#supervisor.ask(CONTROL.troubles, {}, TROUBLES_WITHIN_MS);
      return (await asked) as FilesTroubles;
    } catch (error) {
      if (!isMolnError(error, 'FILES_AWAY')) throw error;
      this.#options.log.debug('The file process does not say how it is', { error });
      return none;
    }
  }

  /** Ends the process too: the node stops. */
  async stopProcess(): Promise<void> {
    await this.#end();
    await this.#supervisor.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    await this.#supervisor.detach();
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    this.#peersChange?.[Symbol.dispose]();
    this.#door[Symbol.dispose]();
    await Promise.all(this.#following);
  }

  /** The first request of somebody who may makes the store, and waits for it. */
  async #ready(
    request: IncomingMessage,
    { by }: { readonly by: string | undefined },
  ): Promise<void> {
    const { accounts } = this.#options;
    if (this.#record === undefined) {
      const [, token = ''] = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
      const name = by ?? (await accounts.verifyToken(token))?.name;
      if (name === undefined) throw unauthorized();
      await this.#make(name);
    }
    const state = await this.#serving(START_WAIT_MS);
    if (state === undefined || state.why !== undefined)
      throw filesAway(state?.why ?? 'it is being started');
  }

  /** The process's state once it serves, or what it is after so long. */
  async #serving(withinMs: number): Promise<FilesState | undefined> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + withinMs;
    for (;;) {
      const state = await this.state();
      if (state !== undefined && state.why === undefined) return state;
      if (clock.monotonicMs() > deadlineMs) return state;
      await clock.sleep(WATCH_AGAIN_MS, this.#stop.signal);
    }
  }

  async #make(by: string): Promise<void> {
    this.#making ??= this.#makeOnce(by).finally(() => {
      this.#making = undefined;
    });
    await this.#making;
  }

  /** The catalogue, then the record that has every node start its process. Safe to repeat, and on several nodes at once. */
  async #makeOnce(by: string): Promise<void> {
    const { databases, registry, sealer, clock, log } = this.#options;
    const records = filesRecords(registry);
    const known = await records.get(FILES_ID);
    if (known !== undefined) {
      this.#record = known.value;
      this.#tell();
      return;
    }
    try {
      await databases.create({
        name: CATALOGUE,
        stripes: undefined,
        copies: undefined,
        regions: undefined,
        by,
      });
    } catch (error) {
      if (!isMolnError(error, 'DATABASES_NAME_TAKEN')) throw error;
    }
    const key = sealer.seal(randomBytes(KEY_BYTES), SEAL_CONTEXT);
    const fresh: FilesRecord = {
      createdAt: clock.now(),
      by,
      key: Buffer.from(key).toString('base64'),
    };
    await records.update(FILES_ID, (current) => current ?? fresh);
    this.#record = (await records.get(FILES_ID))?.value;
    log.info('The file store is made', { audit: true, by });
    this.#tell();
  }

  #follow(work: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    const onError = (error: unknown): void =>
      log.warn('Cannot follow the file store and will retry', { error });
    return followAgain(work, { clock, signal, pauseMs: WATCH_AGAIN_MS, onError });
  }

  #keyOf({ key }: FilesRecord): Uint8Array {
    return this.#options.sealer.open(Buffer.from(key, 'base64'), SEAL_CONTEXT);
  }

  #tell(): void {
    const { peers, access, ports, address, ownStorage, folders, databaseFolders } = this.#options;
    const record = this.#record;
    if (record === undefined || this.#tokens === undefined || this.#stop.signal.aborted) return;
    const asked = Object.entries(ports).flatMap(([name, port]) =>
      port === undefined ? [] : [[name, port]],
    );
    const config: FilesConfig = {
      node: peers.self,
      nodes: peers.all().map(nodeOf),
      access: access(),
      key: Buffer.from(this.#keyOf(record)).toString('base64'),
      tokens: this.#tokens,
      databaseSocket: processPaths(databaseFolders).socket,
      ownStorage,
      address,
      ports: { ...PORTS, ...(Object.fromEntries(asked) as Partial<FilesConfig['ports']>) },
      websiteSocket: websiteSocket(folders.runFolder),
    };
    // Peers change with every word of presence; the process need not hear of what is nothing to it.
    const text = JSON.stringify(config);
    if (text === this.#told) return;
    this.#told = text;
    this.#supervisor.configure(config);
    const { socket } = filesPaths(folders);
    this.#options.databases.keepSnapshotsIn({ socket, path: objectsPath('snapshots') });
  }
}

function nodeOf(peer: PeerNode): FilesConfig['nodes'][number] {
  const { id, name, region, labels, state, address, gatewayPort } = peer;
  const words = Object.entries(labels).flatMap(([label, value]) => [label, value]);
  return {
    id,
    name,
    region,
    zone: labels['zone'] ?? '',
    labels: words.map((word) => word.toLowerCase()),
    state,
    host: address,
    port: gatewayPort,
  };
}
