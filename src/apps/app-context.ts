/** What the operations on apps share: the parts of the run side, put together once, and small questions to them. */
import type { AppFolders } from './app-folders.ts';
import { hostsOf } from './app-route.ts';
import type { AppStore } from './app-store.ts';
import type { Drivers } from './driver.ts';
import type { LaunchParts } from './launch-plan.ts';
import type { App, Release } from './model.ts';
import type { OperationResult } from './operations.ts';
import type { ReleaseStore } from './release-store.ts';
import type { ReleaseVault } from './release-vault.ts';
import type { Blueprint, RolloutContext } from './rollout.ts';
import { noRelease } from './run-errors.ts';
import { BUILDS_AT_ONCE_MAX } from './run-limits.ts';
import { removeOwnedTree } from './tree-owner.ts';
import { Turns } from './turns.ts';

/** What other parts of the node give to apps. */
export interface AppServices {
  /** What Moln itself adds to an app's settings when an instance starts; these win over it. */
  environmentOf(
    app: string,
    settings: Readonly<Record<string, string>>,
  ): Promise<Readonly<Record<string, string>>>;
  /** `place`: `BUCKET` or `BUCKET/FOLDER`. Throws when there is no such bucket or folder, or nobody serves it here. */
  folderOf(app: string, place: string): Promise<FolderPlace>;
}

/** A folder of WebDAV, and the key of an app that opens its bucket and no other. */
export interface FolderPlace {
  /** With a slash at its end. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
}

export interface AppContextOptions {
  readonly store: AppStore;
  readonly releases: ReleaseStore;
  readonly folders: AppFolders;
  readonly drivers: Drivers;
  readonly rollout: RolloutContext;
  readonly vault: ReleaseVault;
  readonly urlOf: (host: string) => string;
  readonly services: AppServices;
}

export class AppContext {
  readonly store: AppStore;
  readonly releases: ReleaseStore;
  readonly folders: AppFolders;
  readonly drivers: Drivers;
  readonly rollout: RolloutContext;
  readonly vault: ReleaseVault;
  readonly builds: Turns = new Turns(BUILDS_AT_ONCE_MAX);
  readonly #urlOf: (host: string) => string;
  readonly #services: AppServices;

  constructor(options: AppContextOptions) {
    this.store = options.store;
    this.releases = options.releases;
    this.folders = options.folders;
    this.drivers = options.drivers;
    this.rollout = options.rollout;
    this.vault = options.vault;
    this.#urlOf = options.urlOf;
    this.#services = options.services;
  }

  /** Also those of apps that were removed, whose processes or files may still be on some node. */
  async usedUids(apps: readonly App[]): Promise<ReadonlySet<number>> {
    const running = this.rollout.supervisor.list().map(({ record }) => record.uid);
    // Read after the apps: whatever has left those is here by then.
    const leaving = await this.store.removals.uids();
    return new Set([...apps.map(({ uid }) => uid), ...running, ...leaving]);
  }

  /** The release that serves, if any. */
  async current(app: App): Promise<Release | undefined> {
    return app.release === undefined ? undefined : this.store.release(app.name, app.release);
  }

  /** What new instances are made of, by the wishes of now. */
  async blueprint(app: App, release: Release): Promise<Blueprint> {
    const [releaseFolder, secrets] = await Promise.all([
      this.releases.open(app.name, release.id),
      this.store.secrets(app.name),
    ]);
    const env = await this.instanceEnv(app.name, { ...app.env, ...secrets });
    return { app, release, releaseFolder, env };
  }

  /** An app's settings and opened secrets, with what this node adds to them. */
  async instanceEnv(
    app: string,
    settings: Readonly<Record<string, string>>,
  ): Promise<Readonly<Record<string, string>>> {
    return { ...(await this.#services.environmentOf(app, settings)), ...settings };
  }

  /** What one process needs for a start, by the wishes of now. Throws when its release is gone. */
  async parts(app: string, release: string, process: string): Promise<LaunchParts> {
    const { value } = await this.store.get(app);
    const found = await this.store.release(app, release);
    const plan = found?.plan.processes[process];
    if (found === undefined || plan === undefined) throw noRelease(app);
    const { releaseFolder, env } = await this.blueprint(value, found);
    return { process: plan, releaseFolder, env, folders: found.plan.folders ?? {} };
  }

  result(app: App): OperationResult {
    const host = app.domains.find((domain) => !domain.startsWith('*')) ?? hostsOf(app)[0] ?? '';
    return { release: app.release ?? '', url: this.#urlOf(host) };
  }

  /** The last step of a removal, and safe to repeat. */
  async removeFolder(name: string): Promise<void> {
    await this.releases.removeApp(name);
    await removeOwnedTree(this.folders.app(name));
  }
}
