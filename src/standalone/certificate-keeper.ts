/** Orders and renews the certificates of a gateway that runs by itself; its workers answer what authorities ask. */
import { join } from 'node:path';
import { randomShare } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { FileStore, forGateways, Orderer } from '../certs/certs.ts';
import { standInCertificate } from '../cluster/cluster.ts';
import type { GatewayConfigContent } from '../gateway/gateway.ts';
import type { GatewayFile } from './gateway-file.ts';
import { NOTHING_YET, type ServedCertificates, withCertificates } from './ordered-certificates.ts';

export interface CertificateKeeperOptions {
  /** Of the gateway. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Resolves when all workers use it. */
  readonly apply: () => Promise<unknown>;
}

/** After a disk that does not take what is to be kept. */
const AGAIN_MS = 10_000;

export class CertificateKeeper implements AsyncDisposable {
  readonly #options: CertificateKeeperOptions;
  readonly #stop = new AbortController();
  readonly #store: FileStore;
  readonly #orderer: Orderer;
  readonly #fallback: ServedCertificates['fallback'];
  #hosts: readonly string[] = [];
  #loop: Promise<void> = Promise.resolve();

  private constructor(
    options: CertificateKeeperOptions,
    store: FileStore,
    fallback: ServedCertificates['fallback'],
  ) {
    this.#options = options;
    this.#store = store;
    this.#fallback = fallback;
    const { clock, apply } = options;
    const log = options.log.for('certificates');
    store.follow(async () => void (await apply()));
    this.#orderer = new Orderer({
      store,
      wanted: () => this.#hosts,
      clock,
      log,
      random: randomShare,
      tell: (text, isTrouble) => (isTrouble ? log.warn(text) : log.info(text)),
    });
  }

  /** Orders nothing before `start`. Throws `CERTS_STATE_DAMAGED`. */
  static async open(options: CertificateKeeperOptions): Promise<CertificateKeeper> {
    const store = await FileStore.open(join(options.folder, 'certificates'));
    const { certificatePem: cert, keyPem: key } = await standInCertificate(options.clock.now());
    return new CertificateKeeper(options, store, { cert, key });
  }

  /** What the workers are told of a file, with the certificates of now. */
  contentOf({ content, ordered }: GatewayFile): GatewayConfigContent {
    const share = ordered === undefined ? NOTHING_YET : forGateways(this.#store.state);
    return withCertificates(content, ordered, { ...share, fallback: this.#fallback });
  }

  /** Keeps what this file wants from now on. What failed before is tried at once. */
  async keep({ ordered }: GatewayFile): Promise<void> {
    this.#store.use(ordered?.settings);
    this.#hosts = ordered?.hosts ?? [];
    await this.#store.tryAgain();
    this.#orderer.wake();
  }

  start(): void {
    this.#loop = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The gateway stops'));
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#orderer.run(signal);
      } catch (error) {
        if (!signal.aborted)
          log.error('Certificates cannot be kept and are tried again', { error });
      }
      await clock.sleep(AGAIN_MS, signal).catch(() => undefined);
    }
  }
}
