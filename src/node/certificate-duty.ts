/**
 * A duty of the leader: orders and renews certificates, makes keys for session tickets, and tells of what goes wrong. All steps
 * are records, from which the next leader goes on.
 */
import { randomBytes } from 'node:crypto';
import { randomShare } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  certificateRows,
  type CertState,
  nextTicketKeys,
  Orderer,
  publicHostsOf,
  RegistryStore,
  type RegistryStoreOptions,
} from '../certs/certs.ts';
import { duringTerm, type Events, type LeaderTerm } from '../cluster/cluster.ts';
import type { Registry } from '../registry/registry.ts';
import type { Duty } from './leadership.ts';

const TICKET_KEY_BYTES = 48;
const LOOK_EVERY_MS = 60_000;

export interface CertificateDutyOptions extends Omit<RegistryStoreOptions, 'registry'> {
  readonly nodeRegistry: { readonly live: Registry };
  /** Of the routes of all apps and of those that are records. */
  readonly hosts: () => readonly string[];
  /** Calls when routes or certificates have changed. */
  readonly onChange: (call: () => void) => Disposable;
  readonly events: Pick<Events, 'tell'>;
  readonly clock: Clock;
  readonly log: Logger;
}

export class CertificateDuty implements Duty {
  readonly name = 'certificates';
  readonly #options: CertificateDutyOptions;
  #told: ReadonlySet<string> = new Set();

  constructor(options: CertificateDutyOptions) {
    this.#options = options;
  }

  async lead(term: LeaderTerm): Promise<void> {
    const { nodeRegistry, hosts, onChange, events, clock, log, settled, sealer } = this.#options;
    const registry = duringTerm(nodeRegistry.live, term);
    const store = new RegistryStore({ registry, sealer, settled });
    const orderer = new Orderer({
      store,
      wanted: () => publicHostsOf(hosts()),
      clock,
      log,
      random: randomShare,
      tell: (text) => events.tell('certificate', text),
    });
    using _follow = onChange(() => orderer.wake());
    // Whichever of them fails ends the other, and the duty begins again.
    const stop = new AbortController();
    const signal = AbortSignal.any([term.signal, stop.signal]);
    const watched = this.#watch(store, signal).finally(() => stop.abort());
    try {
      await orderer.run(signal);
    } finally {
      stop.abort();
      await watched;
    }
  }

  async #watch(store: RegistryStore, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const known = await store.ticketKeys();
      const next = nextTicketKeys(known, clock.now(), () =>
        randomBytes(TICKET_KEY_BYTES).toString('base64'),
      );
      if (next !== known) await store.putTicketKeys(next);
      this.#warn(await store.read());
      await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
    }
  }

  /** Each once, when it begins; failures are told by who had them. */
  #warn(state: CertState): void {
    const { hosts, clock, events } = this.#options;
    const { warnings } = certificateRows(state, hosts(), clock.now());
    const now = warnings.filter(({ kind }) => kind !== 'failing');
    for (const { kind, host, text } of now) {
      if (!this.#told.has(`${kind} ${host}`)) events.tell('certificate', text);
    }
    this.#told = new Set(now.map(({ kind, host }) => `${kind} ${host}`));
  }
}
