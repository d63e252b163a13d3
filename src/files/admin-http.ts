/** What is about the store rather than about files: `/files/-/keys`, `/files/-/storage`, `/files/-/df`, in JSON. */
import { isAbsolute } from 'node:path';
import { checkRented, isRented, parseKeepFree } from '../blobs/blobs.ts';
import type { AccessKeys } from './access-keys.ts';
import type { BlockCensus } from './census.ts';
import type { Checkpoints } from './checkpoint.ts';
import { noBucket, pathUnknown, recoveryKeyWrong, requestInvalid } from './errors.ts';
import type { FaceTable } from './face-table.ts';
import { type Asked, readJson, sendJson } from './http-words.ts';
import type { KeyGrant } from './model.ts';
import type { PlaceTable } from './place-table.ts';
import type { Recovery, RecoveryWish } from './recovery.ts';
import type { Store } from './store.ts';
import type { Upkeep } from './upkeep.ts';

export interface AdminOptions {
  readonly store: Store;
  readonly keys: AccessKeys;
  readonly places: PlaceTable;
  readonly upkeep: Upkeep;
  readonly census: BlockCensus;
  readonly recovery: Recovery;
  readonly checkpoints: Checkpoints;
  /** As people keep it. */
  readonly recoveryKey: () => string;
  readonly faces: Pick<FaceTable, 'listening'>;
}

export class AdminHttp {
  readonly #options: AdminOptions;

  constructor(options: AdminOptions) {
    this.#options = options;
  }

  async answer(asked: Asked): Promise<void> {
    const slash = asked.key.indexOf('/');
    const noun = slash < 0 ? asked.key : asked.key.slice(0, slash);
    const id = slash < 0 ? '' : asked.key.slice(slash + 1);
    sendJson(asked.response, 200, await this.#call(asked, noun, id));
  }

  async #call(asked: Asked, noun: string, id: string): Promise<unknown> {
    const { store, keys, places, upkeep, recovery, checkpoints } = this.#options;
    const { method, request, caller } = asked;
    switch (`${method} ${noun}${id === '' ? '' : '/ID'}`) {
      case 'GET keys':
        return { keys: await keys.list() };
      case 'POST keys': {
        const { owner, may } = readGrant(await readJson(request), caller);
        for (const { bucket } of may === 'all' ? [] : may)
          if ((await store.bucket(bucket)) === undefined) throw noBucket(bucket);
        const made = await keys.create(owner, may);
        return { accessKeyId: made.id, secretAccessKey: made.secret, owner, may };
      }
      case 'DELETE keys/ID':
        await keys.remove(id);
        return { accessKeyId: id, deleted: true };
      case 'GET storage':
        await places.look();
        return { storages: places.views() };
      case 'POST storage':
        return await places.add(readStorage(await readJson(request)));
      case 'PATCH storage/ID': {
        await places.look();
        const found = places.find(id);
        const limits = readLimits(await readJson(request));
        if (limits.limitBytes === null) requireLimit(found.path, null);
        await places.change(found.id, limits);
        return places.find(found.id);
      }
      case 'DELETE storage/ID':
        await places.look();
        return await upkeep.repair.drain(places.find(id).id);
      case 'GET faces':
        return this.#options.faces.listening();
      case 'GET repair':
        return this.#work();
      case 'PATCH repair':
        await upkeep.repair.setRate(readRate(await readJson(request)));
        return this.#work();
      case 'POST repair':
        upkeep.repair.wake();
        return this.#work();
      case 'POST scrub':
        await upkeep.scrubNow();
        return this.#work();
      case 'POST checkpoint':
        return await checkpoints.make();
      case 'GET recovery':
        return recovery.state();
      case 'POST recovery':
        return await recovery.start(readRecovery(await readJson(request)));
      // Not GET: who only reads does not get it.
      case 'POST recovery-key':
        return { key: this.#options.recoveryKey() };
      case 'GET df':
        return await this.#df();
      default:
        throw pathUnknown(method, asked.path);
    }
  }

  #work(): unknown {
    const { upkeep } = this.#options;
    return {
      repair: upkeep.repair.state(),
      scrub: upkeep.scrub.state(),
      workers: upkeep.workers(),
    };
  }

  async #df(): Promise<unknown> {
    const { store, places, upkeep, census, checkpoints } = this.#options;
    await places.look();
    const storages = places.views();
    const buckets = await store.buckets();
    const sum = (of: (one: (typeof storages)[number]) => number): number =>
      storages.reduce((total, one) => total + of(one), 0);
    return {
      /** What the owners of the disks allow. */
      limitBytes: sum(({ usage }) => usage?.limitBytes ?? 0),
      usedBytes: sum(({ usage }) => usage?.usedBytes ?? 0),
      freeBytes: sum(({ usage }) => usage?.freeBytes ?? 0),
      /** What buckets hold, each byte once. */
      bytes: buckets.reduce((total, { bytes }) => total + bytes, 0),
      objects: buckets.reduce((total, { objects }) => total + objects, 0),
      buckets: buckets.map(({ name, bytes, objects, quotaBytes, policy }) => ({
        name,
        bytes,
        objects,
        quotaBytes,
        policy,
      })),
      storages,
      repair: upkeep.repair.state(),
      checkpoint: await checkpoints.state(),
      /** Absent while they are counted for the first time. */
      copies: await census.recent(),
    };
  }
}

const KEY_HINT = 'Give {} for all buckets, or { "may": [{ "bucket": "NAME", "write": true }] }';

function readGrant(
  value: unknown,
  caller: string,
): { readonly owner: string; readonly may: KeyGrant } {
  const { may = 'all', owner = caller } = record(value, KEY_HINT);
  if (typeof owner !== 'string' || owner.length > 100)
    throw requestInvalid('The owner of a key is a text', KEY_HINT);
  if (may === 'all') return { owner, may };
  const isList =
    Array.isArray(may) &&
    may.every(
      (one: unknown) =>
        typeof one === 'object' &&
        one !== null &&
        typeof (one as Record<string, unknown>)['bucket'] === 'string' &&
        typeof (one as Record<string, unknown>)['write'] === 'boolean',
    );
  if (!isList) throw requestInvalid('What a key may do is wrong', KEY_HINT);
  return { owner, may: may as KeyGrant };
}

const STORAGE_HINT = 'Give { "path": "/srv/spare", "limitBytes": 200000000000, "keepFree": "10%" }';

function readStorage(value: unknown): Parameters<PlaceTable['add']>[0] {
  const { path, name, ...rest } = record(value, STORAGE_HINT);
  if (typeof path !== 'string' || (!isAbsolute(path) && !isRented(path)))
    throw requestInvalid(
      'A storage needs the absolute path of a folder, sftp://… or s3://…',
      STORAGE_HINT,
    );
  const { limitBytes, keepFree = '10%' } = readLimits(rest);
  requireLimit(path, limitBytes);
  return {
    path,
    keepFree,
    ...(typeof limitBytes === 'number' ? { limitBytes } : {}),
    ...(typeof name === 'string' ? { name } : {}),
  };
}

/** Throws what is wrong with the address, too. */
function requireLimit(path: string, limitBytes: number | null | undefined): void {
  const isBucket = isRented(path) && checkRented(path).scheme !== 'sftp';
  if (isBucket && typeof limitBytes !== 'number')
    throw requestInvalid(
      'A rented bucket does not say how much fits, so it needs a limit',
      'Give one, as with --limit 1TB',
    );
}

function readLimits(value: unknown): {
  readonly limitBytes?: number | null;
  readonly keepFree?: ReturnType<typeof parseKeepFree>;
} {
  const { limitBytes, keepFree } = record(value, STORAGE_HINT);
  const isLimit =
    limitBytes === undefined || limitBytes === null || Number.isSafeInteger(limitBytes);
  if (!isLimit || (keepFree !== undefined && typeof keepFree !== 'string'))
    throw requestInvalid('The limits of a storage are wrong', STORAGE_HINT);
  return {
    ...(limitBytes === undefined ? {} : { limitBytes: limitBytes as number | null }),
    ...(keepFree === undefined ? {} : { keepFree: parseKeepFree(keepFree, 'keepFree') }),
  };
}

const RATE_HINT = 'Give { "rate": 20000000 }, or null for no limit';

function readRate(value: unknown): number | null {
  const { rate } = record(value, RATE_HINT);
  if (rate === null || (Number.isSafeInteger(rate) && Number(rate) > 0))
    return rate as number | null;
  throw requestInvalid('The rate of repair is bytes in a second', RATE_HINT);
}

const RECOVERY_HINT = 'Give { "folders": ["/mnt/disk"], "withCatalogue": true }';

function readRecovery(value: unknown): RecoveryWish {
  const { folders, withCatalogue = true, key } = record(value, RECOVERY_HINT);
  const isList =
    Array.isArray(folders) &&
    folders.length > 0 &&
    folders.every((one: unknown) => typeof one === 'string' && (isAbsolute(one) || isRented(one)));
  if (!isList || typeof withCatalogue !== 'boolean')
    throw requestInvalid(
      'A recovery needs absolute paths of folders of this machine, sftp://… or s3://…',
      RECOVERY_HINT,
    );
  if (key !== undefined && typeof key !== 'string') throw recoveryKeyWrong();
  return { folders: folders as readonly string[], withCatalogue, key };
}

function record(value: unknown, hint: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw requestInvalid('The body is no JSON object', hint);
}
