/**
 * Releases travel from node to node: whoever lacks one asks those that may have it, then the file store, and believes nobody.
 * What the registry says of the sealed tree decides.
 */
import type { Readable } from 'node:stream';
import { messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Peers } from '../cluster/cluster.ts';
import type { App, Release } from './model.ts';
import type { ReleaseStore } from './release-store.ts';
import { packRelease, type ReleaseVault } from './release-vault.ts';

export interface ReleaseCopierOptions {
  readonly releases: ReleaseStore;
  readonly peers: Peers;
  readonly vault: Pick<ReleaseVault, 'isThere' | 'open'>;
  readonly log: Logger;
}

/** Of one release. */
interface Source {
  readonly from: string;
  readonly open: () => Promise<Readable>;
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
    return packRelease(folder);
  }

  async #copy({ name: app, uid }: Pick<App, 'name' | 'uid'>, release: Release): Promise<void> {
    const { releases, peers, vault, log } = this.#options;
    const { id } = release;
    const gid = process.geteuid?.() === 0 ? { gid: uid } : {};
    const others = peers.all().filter((peer) => peer.id !== peers.self && peer.state !== 'lost');
    const sources: readonly Source[] = [
      ...others.map((peer) => ({
        from: peer.name,
        open: () => peers.open(peer.id, 'apps.release', { app, id }),
      })),
      ...(vault.isThere ? [{ from: 'the file store', open: () => vault.open(app, id) }] : []),
    ];
    const reasons: string[] = [];
    for (const { from, open } of sources) {
      try {
        const tar = await open();
        try {
          await releases.takeOver(app, release, tar, gid);
        } finally {
          tar.destroy();
        }
        log.info('Release copied', { app, release: id, from });
        return;
      } catch (error) {
        const reason = messageOf(error);
        reasons.push(`${from}: ${reason}`);
        log.info('A release was not to be had', { app, release: id, from, reason });
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
