/** What this node's process answers those of other nodes: statements and transactions on stripes that it leads, and its snapshots. */
import { createServer, type Server, type Socket } from 'node:net';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import {
  type Applied,
  failureBody,
  type LeadOptions,
  type Loan,
  type Stripe,
  type StripeDigest,
  type StripeTransaction,
  type StripeView,
} from '../database/database.ts';
import { listenUnix } from '../net/net.ts';
import type { Revision } from '../registry/registry.ts';
import { PeerFrames, type PeerReply, type PeerRequest } from './peer-wire.ts';
import type { ScrubDuty } from './scrub-duty.ts';
import type { Snapshots } from './snapshots.ts';

export interface PeerServerOptions {
  readonly socket: string;
  readonly log: Logger;
  /** This node's copy. Throws when there is none. */
  readonly stripe: (database: string, stripe: string) => Stripe;
  /** Has this node's copy catch up, for it is to lead soon. Throws when this node is about to go. */
  readonly beforeLead: (database: string, stripe: string) => Promise<Applied>;
  /** Has this node's copy lead; false when another one does, or this node is about to go. */
  readonly lead: (database: string, stripe: string, options: LeadOptions) => Promise<boolean>;
  /** Of the copy here, which leads, to that of another node; see `src/database/loans.ts`. */
  readonly lend: (database: string, stripe: string, borrower: string) => Promise<Loan | undefined>;
  /** This node is the standby: everything that the etcd of that epoch had at `revision` is on its disk. */
  readonly mirrored: (revision: Revision, epoch: number) => Promise<void>;
  /** Of the copy here, at an entry that the node `by` names; see `Stripe.digestAt`. */
  readonly digestAt: (database: string, stripe: string, by: string) => Promise<StripeDigest>;
  readonly scrub: (database: string) => ScrubDuty;
  /** Those of a database that are kept here. */
  readonly snapshots: (database: string) => Snapshots;
}

type Call = (...args: never[]) => Promise<unknown>;

export class PeerServer implements Disposable {
  readonly #options: PeerServerOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(options: PeerServerOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    this.#server = createServer((socket) => this.#accept(socket));
    await listenUnix(this.#server, this.#options.socket);
  }

  [Symbol.dispose](): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const peer = new Peer(this.#options);
    const frames = new PeerFrames<PeerRequest, PeerReply>(socket, {
      message: (request) => {
        void peer.answer(request).then((reply) => frames.send(reply));
      },
      close: () => {
        this.#sockets.delete(socket);
        void peer.gone();
      },
    });
  }
}

/** One connection. Transactions end with it: nobody else could go on with them. */
class Peer {
  readonly #options: PeerServerOptions;
  /** By ids that are never given twice: a node that asks on its next connection must not meet another one's transaction. */
  readonly #transactions = new Map<string, StripeTransaction>();
  readonly #views = new Map<string, StripeView>();
  #isGone = false;
  readonly #calls: Readonly<Record<string, Call>>;

  constructor(options: PeerServerOptions) {
    this.#options = options;
    const { stripe, snapshots, scrub } = options;
    const open = (id: string): StripeTransaction => this.#transaction(id);
    this.#calls = {
      ping: () => Promise.resolve(),
      mirrored: (...args: Parameters<PeerServerOptions['mirrored']>) => options.mirrored(...args),
      execute: (database: string, name: string, ...args: Parameters<Stripe['execute']>) =>
        stripe(database, name).execute(...args),
      query: (database: string, name: string, ...args: Parameters<Stripe['query']>) =>
        stripe(database, name).query(...args),
      beforeLead: (database: string, name: string) => options.beforeLead(database, name),
      lead: (...args: Parameters<PeerServerOptions['lead']>) => options.lead(...args),
      lend: (database: string, name: string, borrower: string) =>
        options.lend(database, name, borrower),
      recalled: async (database: string, name: string, loan: Loan) =>
        stripe(database, name).logEnd.recalled(loan),
      digestAt: (...args: Parameters<PeerServerOptions['digestAt']>) => options.digestAt(...args),
      pinDigest: (database: string, ...args: Parameters<ScrubDuty['pin']>) =>
        scrub(database).pin(...args),
      replaceCopy: (database: string, name: string, why: string, index: number) =>
        scrub(database).replace(stripe(database, name), why, index),
      begin: (database: string, name: string) => this.#begin(database, name),
      view: (database: string, name: string) => this.#view(database, name),
      viewQuery: (id: string, ...args: Parameters<StripeView['query']>) =>
        this.#viewOf(id).query(...args),
      viewEnd: (id: string) => this.#endView(id),
      runAll: (id: string, ...args: Parameters<StripeTransaction['runAll']>) =>
        open(id).runAll(...args),
      prepare: (id: string) => open(id).prepare(),
      commit: (id: string) => this.#last(id, (one) => one.commit()),
      rollBack: (id: string) => this.#last(id, (one) => one.rollBack()),
      settle: (id: string, ...args: Parameters<StripeTransaction['settle']>) =>
        this.#last(id, (one) => one.settle(...args)),
      readSnapshot: (database: string, ...args: Parameters<Snapshots['read']>) =>
        snapshots(database).read(...args),
      keepSnapshots: (database: string, ...args: Parameters<Snapshots['keepOnlyHere']>) =>
        snapshots(database).keepOnlyHere(...args),
      writeSnapshot: (database: string, ...args: Parameters<Snapshots['write']>) =>
        snapshots(database).write(...args),
    };
  }

  async answer({ id, call, args }: PeerRequest): Promise<PeerReply> {
    try {
      const run = Object.hasOwn(this.#calls, call) ? this.#calls[call] : undefined;
      if (run === undefined) throw new Error(`This process knows no call "${call}"`);
      return { id, value: await run(...(args as never[])) };
    } catch (error) {
      return { id, failure: failureBody(error) };
    }
  }

  async gone(): Promise<void> {
    this.#isGone = true;
    const { log } = this.#options;
    await Promise.all(
      [...this.#transactions.values()].map((one) =>
        one.rollBack().catch((error: unknown) => {
          log.warn('A transaction of a node that went away did not end cleanly', { error });
        }),
      ),
    );
    this.#transactions.clear();
    await Promise.all([...this.#views.keys()].map((id) => this.#endView(id)));
  }

  async #begin(
    database: string,
    name: string,
  ): Promise<{ readonly id: string; readonly schemaVersion: number }> {
    const transaction = await this.#options.stripe(database, name).begin();
    if (this.#isGone) await transaction.rollBack();
    const id = randomId();
    this.#transactions.set(id, transaction);
    return { id, schemaVersion: transaction.schemaVersion };
  }

  async #view(
    database: string,
    name: string,
  ): Promise<{ readonly id: string } & Omit<StripeView, 'query' | typeof Symbol.asyncDispose>> {
    const view = await this.#options.stripe(database, name).view();
    const id = randomId();
    this.#views.set(id, view);
    if (this.#isGone) await this.#endView(id);
    const { index, schemaVersion, epoch, head } = view;
    return { id, index, schemaVersion, epoch, head };
  }

  #viewOf(id: string): StripeView {
    const view = this.#views.get(id);
    if (view === undefined) throw new Error('There is no such view any more');
    return view;
  }

  async #endView(id: string): Promise<void> {
    const view = this.#views.get(id);
    this.#views.delete(id);
    await view?.[Symbol.asyncDispose]();
  }

  #transaction(id: string): StripeTransaction {
    const transaction = this.#transactions.get(id);
    if (transaction === undefined) throw new Error('There is no such transaction any more');
    return transaction;
  }

  async #last<T>(id: string, work: (transaction: StripeTransaction) => Promise<T>): Promise<T> {
    const transaction = this.#transaction(id);
    try {
      return await work(transaction);
    } finally {
      this.#transactions.delete(id);
    }
  }
}
