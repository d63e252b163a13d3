/**
 * The listeners of the registry on this node. A port that is not to be had here (somebody else's, or below 1024 without root)
 * holds up neither routes nor the other listeners: it is left out, said, and tried again.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  GATEWAY_CONFIG_REFUSED,
  GATEWAY_LISTEN_FAILED,
  GATEWAY_PORT_TAKEN,
} from '../gateway/gateway.ts';
import type { PortConfig } from '../routes/routes.ts';

const RETRY_MS = 10_000;

/** A listener that is not open here. */
export interface PortTrouble {
  readonly listener: string;
  /** One sentence. */
  readonly message: string;
}

export interface FurtherPortsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** It is time to apply again what could not be. */
  readonly onRetry: () => void;
}

export class FurtherPorts implements Disposable {
  readonly #options: FurtherPortsOptions;
  #troubles: readonly PortTrouble[] = [];
  /** Names of those that are open. */
  #open: ReadonlySet<string> = new Set();
  #retry: Disposable | undefined;

  constructor(options: FurtherPortsOptions) {
    this.#options = options;
  }

  /** As of the last time that something was applied. */
  get troubles(): readonly PortTrouble[] {
    return this.#troubles;
  }

  /** Applies with as many of them as can be. Throws what is not about them. */
  async applyWith(
    wanted: readonly PortConfig[],
    apply: (ports: readonly PortConfig[]) => Promise<void>,
  ): Promise<void> {
    let ports = wanted;
    const troubles: PortTrouble[] = [];
    for (;;) {
      try {
        await apply(ports);
        break;
      } catch (error) {
        const out = culprits(error, ports, this.#open);
        if (out.length === 0) throw error;
        ports = ports.filter((port) => !out.includes(port));
        const message = messageOf(isMolnError(error, GATEWAY_CONFIG_REFUSED) ? error.cause : error);
        for (const { name } of out) troubles.push({ listener: name, message });
      }
    }
    this.#open = new Set(ports.map(({ name }) => name));
    this.#say(troubles);
  }

  [Symbol.dispose](): void {
    this.#retry?.[Symbol.dispose]();
  }

  #say(troubles: readonly PortTrouble[]): void {
    const { clock, log, onRetry } = this.#options;
    for (const { listener, message } of troubles) {
      if (this.#troubles.some((one) => one.listener === listener && one.message === message))
        continue;
      log.warn('A listener is not open on this node', { listener, reason: message });
    }
    this.#troubles = troubles;
    this.#retry?.[Symbol.dispose]();
    this.#retry = troubles.length === 0 ? undefined : clock.after(RETRY_MS, onRetry);
  }
}

/** Whose port the error is about; when a gateway process found it out and does not say, all that were not open. */
function culprits(
  error: unknown,
  ports: readonly PortConfig[],
  open: ReadonlySet<string>,
): readonly PortConfig[] {
  const isAsked = isMolnError(error, GATEWAY_CONFIG_REFUSED);
  const about = isAsked ? error.cause : error;
  const isPort =
    isMolnError(about, GATEWAY_PORT_TAKEN) || isMolnError(about, GATEWAY_LISTEN_FAILED);
  if (!isPort) return [];
  const port = about.details?.['port'];
  if (!isAsked) return ports.filter(({ config }) => config.port === port);
  return ports.filter(({ name }) => !open.has(name));
}
