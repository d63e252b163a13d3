/** The agent's way to a bucket of the system: the objects of `system-objects.ts`, over the private socket of the node's file process. */
import { ObjectSocket } from '../net/net.ts';
import { CONTROL } from './control.ts';
import { filesAway } from './errors.ts';
import { OBJECT_SILENT_MS } from './limits.ts';

export interface KeptObjectsOptions {
  /** The private one of the file process. */
  readonly socket: string;
  readonly bucket: 'releases' | 'snapshots';
  /** Whether the file store was made, be it reached or not. */
  readonly isThere: () => boolean;
}

/** Throws `FILES_AWAY` while the process does not answer, `FILES_NO_OBJECT`, and what else the store refuses. */
export class KeptObjects extends ObjectSocket {
  readonly #isThere: () => boolean;

  constructor({ socket, bucket, isThere }: KeptObjectsOptions) {
    const place = { socket, path: objectsPath(bucket) };
    super({ place: () => place, away: filesAway, silentMs: OBJECT_SILENT_MS });
    this.#isThere = isThere;
  }

  /** As far as this node has heard. */
  isThere(): boolean {
    return this.#isThere();
  }

  /** All of them. */
  async keys(): Promise<readonly string[]> {
    return (await this.list()).keys;
  }
}

/** Of the private socket: where that bucket's objects are asked for. */
export function objectsPath(bucket: KeptObjectsOptions['bucket']): string {
  return `${CONTROL.objects}/${bucket}`;
}
