/**
 * What this node's gateways need to talk with those of other nodes: a listener of their own, credentials for both directions,
 * and who must not come in any more. Alone there is nobody to talk with, and no port is taken.
 */
import { isDeepStrictEqual } from 'node:util';
import { followAgain } from '../base/again.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { NodeDoorConfig } from '../gateway/config.ts';
import type { Identity, Members, PeerNode, Peers } from '../cluster/cluster.ts';

const RETRY_MS = 1_000;

export interface GatewayDoorOptions {
  readonly place: { readonly address: string; readonly port: number };
  readonly peers: Pick<Peers, 'all' | 'onChange'>;
  readonly members: Pick<Members, 'watchRevoked'>;
  readonly identity: Pick<Identity, 'cluster' | 'certificate' | 'trustedPem'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** `config()` is another one. */
  readonly onChange: () => void;
}

export class GatewayDoor implements AsyncDisposable {
  readonly #options: GatewayDoorOptions;
  readonly #stop = new AbortController();
  #revoked: readonly string[] = [];
  #silent: readonly string[] = [];
  #hasCompany = false;
  #peersChange: Disposable | undefined;
  #following: Promise<void> | undefined;

  constructor(options: GatewayDoorOptions) {
    this.#options = options;
  }

  start(): void {
    const { peers, onChange } = this.#options;
    const look = (): void => {
      const all = peers.all();
      this.#hasCompany ||= all.length > 1;
      this.#silent = all.filter(isSilent).map(({ id }) => id);
    };
    look();
    this.#peersChange = peers.onChange(() => {
      const before = [this.#hasCompany, this.#silent];
      look();
      if (!isDeepStrictEqual(before, [this.#hasCompany, this.#silent])) onChange();
    });
    this.#following = this.#follow();
  }

  /** True from the first companion on, for the life of this agent: a route may lead to one that was just forgotten. */
  get hasCompany(): boolean {
    return this.#hasCompany;
  }

  /** Undefined while this node is alone. Asked for anew at each apply, for certificates are renewed. */
  config(): NodeDoorConfig | undefined {
    if (!this.#hasCompany) return undefined;
    const { place, identity } = this.#options;
    const { certificate, trustedPem } = identity;
    return {
      ...place,
      cert: certificate.certificatePem,
      key: certificate.keyPem,
      authority: trustedPem,
      clusterId: identity.cluster.id,
      revoked: this.#revoked,
      silent: this.#silent,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#peersChange?.[Symbol.dispose]();
    this.#stop.abort();
    await this.#following;
  }

  #follow(): Promise<void> {
    const { members, clock, log, onChange } = this.#options;
    const { signal } = this.#stop;
    // The list of before goes on to count.
    const onError = (error: unknown): void =>
      log.warn('Cannot follow the deny-list and will retry', { error });
    const work = async (): Promise<void> => {
      for await (const records of members.watchRevoked(signal)) {
        const revoked = [...records.keys()].toSorted();
        if (revoked.join(' ') === this.#revoked.join(' ')) continue;
        this.#revoked = revoked;
        onChange();
      }
    };
    return followAgain(work, { clock, signal, pauseMs: RETRY_MS, onError });
  }
}

function isSilent({ state }: PeerNode): boolean {
  return state === 'suspect' || state === 'lost';
}
