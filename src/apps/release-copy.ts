/**
 * Releases travel from node to node: whoever lacks one asks those that may have it, and believes nobody. What the registry
 * says of the sealed tree decides.
 */
import type { Readable } from 'node:stream';
import { messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Peers } from '../cluster/cluster.ts';
import { BUILT_ARCHIVE_LIMITS, packFolder } from './archive.ts';
import type { App, Release } from './model.ts';
import type { ReleaseStore } from './release-store.ts';

export interface ReleaseCopierOptions {
  readonly releases: ReleaseStore;
  readonly peers: Peers;
  readonly log: Logger;
}

export class ReleaseCopier {
  readonly #options: ReleaseCopierOptions;
  /** By app and release: one copy at a time. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(options: ReleaseCopierOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the release is on this node; app and release as the registry has them, or will have them. Throws
   * `APPS_RELEASE_MISSING` when nobody has it.
   */
  async ensure(app: Pick<App, 'name' | 'uid'>, release: Release): Promise<void> {
    if ((await this.#options.releases.find(app.name, release.id)) !== undefined) return;
    const name = `${app.name}/${release.id}`;
    let copy = this.#underWay.get(name);
    if (copy === undefined) {
      copy = this.#copy(app, release).finally(() => this.#underWay.delete(name));
      this.#underWay.set(name, copy);
    }
    await copy;
  }

  /** The sealed tree, whole, for another node. */
  async pack(app: string, id: string): Promise<Readable> {
    const folder = await this.#options.releases.open(app, id);
    return packFolder(folder, { isWhole: true, limits: BUILT_ARCHIVE_LIMITS });
  }

  async #copy({ name: app, uid }: Pick<App, 'name' | 'uid'>, release: Release): Promise<void> {
    const { releases, peers, log } = this.#options;
    const { id } = release;
    const gid = process.geteuid?.() === 0 ? { gid: uid } : {};
    const others = peers.all().filter((peer) => peer.id !== peers.self && peer.state !== 'lost');
    const reasons: string[] = [];
    for (const peer of others) {
      try {
        const tar = await peers.open(peer.id, 'apps.release', { app, id });
        try {
          await releases.takeOver(app, release, tar, gid);
        } finally {
          tar.destroy();
        }
        log.info('Release copied from another node', { app, release: id, from: peer.name });
        return;
      } catch (error) {
        reasons.push(`${peer.name}: ${messageOf(error)}`);
        log.info('A node could not give a release', {
          app,
          release: id,
          from: peer.name,
          reason: messageOf(error),
        });
      }
    }
    const why = reasons.length === 0 ? 'there is no other node' : reasons.join('; ');
    throw new MolnError(
      'APPS_RELEASE_MISSING',
      `Release "${id}" of "${app}" is on no node that can be asked: ${why}`,
      { hint: 'Start the node that has it, or deploy the app again', retryable: true },
    );
  }
}
