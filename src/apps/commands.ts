/**
 * `run` and `exec` on the node that fits: `exec` where the instance is, `run` here, or where the release is when this node
 * has no copy of it.
 */
import type { Logger } from '../base/log.ts';
import { isMolnError } from '../base/errors.ts';
import type { PeerNode, Peers } from '../cluster/cluster.ts';
import type { AppContext } from './app-context.ts';
import type { RunOutput } from './command-stream.ts';
import { type CommandWish, farCommands, type ReadyCommand, runFar } from './far-command.ts';
import { execInside, type OneOffContext, runOneOff, type RunRequest } from './one-off.ts';
import type { NodeReport } from './reporter.ts';
import { instanceNotFound, noRelease, releaseNowhere } from './run-errors.ts';

export interface CommandsOptions {
  readonly context: AppContext;
  readonly shared: OneOffContext;
  readonly peers: Peers;
  readonly log: Logger;
}

export class Commands {
  readonly #options: CommandsOptions;

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** With an instance: inside it, on whatever node. Without: in a fresh sandbox of the current release. */
  async *run(request: RunRequest, signal: AbortSignal): AsyncGenerator<RunOutput, void, undefined> {
    await this.#options.context.store.get(request.app);
    if (request.instance === undefined) yield* this.#oneOff(request, signal);
    else yield* this.#inside(request, request.instance, signal);
  }

  /** What other nodes may ask of this one. */
  streams(): ReturnType<typeof farCommands> {
    const { peers, log } = this.#options;
    return farCommands({ prepare: (wish) => this.#prepare(wish), peers, log });
  }

  async *#inside(
    request: RunRequest,
    instance: string,
    signal: AbortSignal,
  ): AsyncGenerator<RunOutput, void, undefined> {
    const { app } = request;
    const { supervisor } = this.#options.context.rollout;
    const here = supervisor.of(app).map(({ id }) => id);
    if (here.includes(instance)) {
      yield* (await this.#prepare(request))(request.stdin, signal);
      return;
    }
    const far = await this.#reports(app);
    const known = far.flatMap(({ report }) => report.instances.map(({ id }) => id));
    const at = far.find(({ report }) => report.instances.some(({ id }) => id === instance));
    const node = at === undefined ? undefined : this.#options.peers.get(at.nodeId);
    if (node === undefined) throw instanceNotFound(app, instance, [...here, ...known]);
    yield* runFar(this.#options, node, request, signal);
  }

  async *#oneOff(
    request: RunRequest,
    signal: AbortSignal,
  ): AsyncGenerator<RunOutput, void, undefined> {
    const here = await this.#prepare(request).catch((error: unknown) => {
      if (isMolnError(error, MISSING)) return undefined;
      throw error;
    });
    if (here !== undefined) {
      yield* here(request.stdin, signal);
      return;
    }
    for (const node of await this.#others(request.app)) {
      try {
        yield* runFar(this.#options, node, request, signal);
        return;
      } catch (error) {
        // These two say that nothing has begun; a command that may have is never begun again.
        if (!isMolnError(error, MISSING) && !isMolnError(error, 'APPS_NODE_AWAY')) throw error;
      }
    }
    throw releaseNowhere(request.app);
  }

  /** Throws, before anything has begun, what is in its way on this node. */
  async #prepare(wish: CommandWish): Promise<ReadyCommand> {
    const { context, shared } = this.#options;
    const { value: app } = await context.store.get(wish.app);
    if (wish.instance !== undefined) {
      const instances = context.rollout.supervisor.of(app.name);
      return (stdin, signal) => execInside(shared, { ...wish, stdin }, instances, signal);
    }
    const release = await context.current(app);
    if (release === undefined) throw noRelease(app.name);
    const blueprint = await context.blueprint(app, release);
    return (stdin, signal) => runOneOff(shared, { ...wish, stdin }, blueprint, signal);
  }

  async #reports(app: string): Promise<readonly NodeReport[]> {
    const { context, peers } = this.#options;
    const all = await context.rollout.reporter.all(app);
    return all.filter(({ nodeId }) => nodeId !== peers.self);
  }

  /** Nodes to ask for a release that is not here: first those that say they have it. */
  async #others(app: string): Promise<readonly PeerNode[]> {
    const { context, peers } = this.#options;
    const { release } = (await context.store.get(app)).value;
    const having = new Set(
      (await this.#reports(app))
        .filter(({ report }) => report.instances.some((one) => one.release === release))
        .map(({ nodeId }) => nodeId),
    );
    return peers
      .all()
      .filter(({ id, state }) => id !== peers.self && state !== 'lost')
      .toSorted((a, b) => Number(having.has(b.id)) - Number(having.has(a.id)));
  }
}

/** The release is not on the node that was asked. */
const MISSING = 'APPS_RELEASE_MISSING';
