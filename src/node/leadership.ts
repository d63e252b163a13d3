/**
 * What only one node of the cluster may do at a time, its duties, done by whoever leads. A node that is alone leads without
 * asking anybody; in a cluster the managers elect one.
 */
import { followAgain } from '../base/again.ts';
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { WorkerRunner } from '../base/worker.ts';
import { LeaderElection, type LeaderTerm } from '../cluster/cluster.ts';
import type { Registry } from '../registry/registry.ts';

export interface Duty {
  readonly name: string;
  /** Until the term's signal aborts. Throwing is logged, and the duty begins again while the term lasts. */
  lead(term: LeaderTerm): Promise<void>;
}

export interface LeadershipOptions {
  /** The live one: never a mirror. */
  readonly registry: Registry;
  readonly node: { readonly id: string; readonly name: string };
  /** False once another node holds the registry in place of this one. */
  readonly mayLead: () => boolean;
  readonly duties: readonly Duty[];
  readonly workers: WorkerRunner;
  readonly clock: Clock;
  readonly log: Logger;
}

const AGAIN_MS = 1000;

export class Leadership implements AsyncDisposable {
  readonly #options: LeadershipOptions;
  readonly #alone = new AbortController();
  readonly #stop = new AbortController();
  #aloneWork: Promise<void> | undefined;
  #election: LeaderElection | undefined;
  #following: Promise<void> | undefined;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  /** There is nobody else: this node leads from now until `elect`. */
  leadAlone(): void {
    const { registry } = this.#options;
    const term: LeaderTerm = {
      token: 0,
      signal: this.#alone.signal,
      commit: (conditions, operations) => registry.commit(conditions, operations),
    };
    this.#aloneWork = this.#lead(term);
  }

  /** From now on the managers elect the leader; this node is a candidate. */
  async elect(): Promise<void> {
    if (this.#election !== undefined) return;
    const { registry, node, mayLead, clock, log, workers } = this.#options;
    this.#election = new LeaderElection({
      registry,
      node,
      mayLead,
      clock,
      log,
      lead: (term) => this.#lead(term),
    });
    await this.#endAlone();
    workers.add(this.#election);
    this.#following = this.#follow(this.#election);
  }

  get isLeading(): boolean {
    return this.#election === undefined ? this.#aloneWork !== undefined : this.#election.isLeading;
  }

  /** To be called before the node says good-bye. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The node stops'));
    await this.#following;
    await this.#endAlone();
    await this.#election?.[Symbol.asyncDispose]();
  }

  /** A candidate takes over the moment that the leader's key ends. */
  #follow(election: LeaderElection): Promise<void> {
    const { workers, clock, log } = this.#options;
    const { signal } = this.#stop;
    const onError = (error: unknown): void =>
      log.warn('Cannot follow who leads and will retry', { error });
    const work = async (): Promise<void> => {
      for await (const _change of election.changes(signal)) workers.wake(election.name);
    };
    return followAgain(work, { clock, signal, pauseMs: AGAIN_MS, onError });
  }

  async #endAlone(): Promise<void> {
    this.#alone.abort(new Error('The term is over'));
    await this.#aloneWork;
  }

  async #lead(term: LeaderTerm): Promise<void> {
    await Promise.all(this.#options.duties.map((duty) => this.#do(duty, term)));
  }

  async #do(duty: Duty, term: LeaderTerm): Promise<void> {
    const { clock, log } = this.#options;
    while (!term.signal.aborted) {
      try {
        await duty.lead(term);
      } catch (error) {
        if (term.signal.aborted || isMolnError(error, 'CLUSTER_DEPOSED')) return;
        const reason = messageOf(error);
        log.warn(`The leader's duty "${duty.name}" failed and begins again`, { reason, error });
      }
      await clock.sleep(AGAIN_MS, term.signal).catch(() => undefined);
    }
  }
}
