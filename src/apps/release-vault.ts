/**
 * Releases in the file store, so that an app outlives every node that has it unpacked: one object each, the bytes that nodes hand each other. What the
 * registry knows belongs there. A deploy puts its release once the registry has it; this worker puts what lacks and removes what is not known any
 * more. Nothing waits for the store: whoever cannot reach it goes on, and is made up for here.
 */
import type { Readable } from 'node:stream';
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { withDeadline } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { AppStore } from './app-store.ts';
import { BUILT_ARCHIVE_LIMITS, packFolder } from './archive.ts';
import type { Report } from './operations.ts';
import type { ReleaseStore } from './release-store.ts';
import { VAULT_AGAIN_MS, VAULT_ASK_MS, VAULT_LOOK_MS, VAULT_THERE_MS } from './run-limits.ts';
import type { Workers } from './workers.ts';

/** The part of the file store that keeps releases. All but `isThere` may throw `FILES_…` while it is away. */
export interface Vault {
  /** It was made, be it reached or not. */
  isThere(): boolean;
  keys(): Promise<readonly string[]>;
  /** Durable once it resolves. Ends the body, also when it fails. */
  put(key: string, body: Readable): Promise<void>;
  get(key: string): Promise<Readable>;
  /** Absent is fine. */
  remove(key: string): Promise<void>;
}

export interface ReleaseVaultOptions {
  readonly vault: Vault;
  readonly store: AppStore;
  readonly releases: ReleaseStore;
  readonly workers: Workers;
  readonly log: Logger;
}

export class ReleaseVault implements Worker {
  readonly name = 'releases';
  readonly #options: ReleaseVaultOptions;
  /** What was there at the last look, and has been put since. */
  #keys: ReadonlySet<string> = new Set();
  #why: string | undefined;

  constructor(options: ReleaseVaultOptions) {
    this.#options = options;
  }

  status(): string {
    if (!this.#options.vault.isThere()) return 'There is no file store: releases are on nodes only';
    return this.#why === undefined
      ? `Releases in the file store: ${this.#keys.size}`
      : `Releases cannot be put into the file store yet: ${this.#why}`;
  }

  get isThere(): boolean {
    return this.#options.vault.isThere();
  }

  /** Which of these releases are in the file store, as far as is known; undefined while there is none. */
  async stored(app: string, ids: readonly string[]): Promise<readonly string[] | undefined> {
    const { vault, log } = this.#options;
    if (!vault.isThere()) return undefined;
    const known = (): readonly string[] => ids.filter((id) => this.#keys.has(keyOf(app, id)));
    if (known().length === ids.length) return ids;
    try {
      // Another node may have put it.
      const late = (): MolnError => new MolnError('APPS_VAULT_SLOW', 'It took too long');
      const keys = await withDeadline(VAULT_ASK_MS, late, () => vault.keys());
      this.#keys = new Set([...this.#keys, ...keys]);
    } catch (error) {
      log.debug('The file store does not say which releases it has', { error });
    }
    return known();
  }

  /** The sealed tree, whole. Throws what the store does. */
  async open(app: string, id: string): Promise<Readable> {
    return await this.#options.vault.get(keyOf(app, id));
  }

  /** Puts a release that the registry knows; what cannot be done now is said, and done by the worker later. */
  async keep(app: string, id: string, report: Pick<Report, 'step'>): Promise<void> {
    const { vault, log } = this.#options;
    if (!vault.isThere()) return;
    try {
      if (!this.#keys.has(keyOf(app, id))) report.step('Putting the release into the file store');
      await this.#put(app, id);
    } catch (error) {
      log.info('A release is not in the file store yet', { app, release: id, error });
      report.step(`The file store gets this release later: ${messageOf(error)}`);
    } finally {
      this.wake();
    }
  }

  /** The registry knows other releases than before. */
  wake(): void {
    this.#options.workers.wake(this.name);
  }

  async step(signal: AbortSignal): Promise<StepResult> {
    const { vault } = this.#options;
    if (!vault.isThere()) return { kind: 'idle', retryInMs: VAULT_THERE_MS };
    try {
      await this.#look(signal);
      this.#why = undefined;
      return { kind: 'idle', retryInMs: VAULT_LOOK_MS };
    } catch (error) {
      if (!isMolnError(error)) throw error;
      this.#why = error.message;
      return { kind: 'idle', retryInMs: VAULT_AGAIN_MS };
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { vault, store, releases } = this.#options;
    // Before the registry is read: what is put later was known there before, so what is not known by then was removed.
    const there = new Set(await vault.keys());
    this.#keys = there;
    await store.mustAnswer();
    const known = new Set<string>();
    const failures: unknown[] = [];
    for (const { name } of await store.list()) {
      for (const { id } of await store.releases(name)) {
        known.add(keyOf(name, id));
        if (signal.aborted) return;
        const isLacking = !there.has(keyOf(name, id));
        if (!isLacking || (await releases.find(name, id)) === undefined) continue;
        // One that does not go holds up no other.
        await this.#put(name, id).catch((error: unknown) => failures.push(error));
      }
    }
    for (const key of there) {
      const [app = '', id = ''] = key.split('/');
      // What was read may be an old copy, or long ago.
      if (known.has(key) || !(await store.isReleaseGone(app, id))) continue;
      await vault.remove(key);
      this.#keys = new Set([...this.#keys].filter((one) => one !== key));
    }
    if (failures.length > 0) throw failures[0];
  }

  async #put(app: string, id: string): Promise<void> {
    const { vault, releases } = this.#options;
    const key = keyOf(app, id);
    if (this.#keys.has(key)) return;
    // Whoever takes it would refuse it, and it would never be put again.
    await releases.verify(app, id);
    await vault.put(key, packRelease(await releases.open(app, id)));
    this.#keys = new Set([...this.#keys, key]);
  }
}

/** The sealed tree in `folder`, as nodes and the file store get it. */
export function packRelease(folder: string): Readable {
  return packFolder(folder, { isWhole: true, limits: BUILT_ARCHIVE_LIMITS });
}

function keyOf(app: string, id: string): string {
  return `${app}/${id}`;
}
