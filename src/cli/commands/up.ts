/** `moln up`: starts a node in the foreground and lives with it until Ctrl-C. */
import type { AppState, Status } from '../../api/model.ts';
import { MolnError } from '../../base/errors.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';
import { followProgress, showWaiting } from '../progress.ts';
import { findProcesses } from '../processes.ts';
import { programName } from '../program-name.ts';
import { endNow, onStopSignals } from '../signals.ts';
import { stopProcesses } from '../stop-processes.ts';
import {
  readUpOptions,
  UP_OPTIONS,
  type RunningNode,
  type StartNode,
  type UpOptions,
} from '../up.ts';
import { printUpWords } from '../up-words.ts';
import { count } from '../words.ts';

export const UP: CommandSpec = {
  name: 'up',
  summary: 'Start a node on this machine, in the foreground.',
  local: true,
  ownSignals: true,
  options: UP_OPTIONS,
  examples: [
    ['moln up', 'a cloud of one machine'],
    ['moln up --deploy ./blog', 'and put ./blog online as "blog"'],
    ['moln up --data /tmp/b --address 127.0.0.2', 'a second node on the same machine'],
  ],
  run: async (context, input) => {
    const options = readUpOptions(input, context.dataFolder, context.io.cwd);
    if (context.startNode === undefined) throw new Error('This CLI was built without a node');
    return await runForeground(context, options, context.startNode);
  },
};

/** Lives with the node until it has stopped; returns the exit code. */
export async function runForeground(
  context: Context,
  options: UpOptions,
  startNode: StartNode,
): Promise<number> {
  const life = new ForegroundLife(context, options);
  // Before the start: an agent that dies half-way would leave gateways and apps running.
  using _signals = onStopSignals((signal) => life.signalled(signal), context.io.signals);
  return await life.run(startNode);
}

const SAME_PRESS_MS = 300;
/** An app that is not up by then is shown as what it is. */
const APPS_START_WITHIN_MS = 10_000;
/** A link that is not there by then is left out. */
const LINK_WITHIN_MS = 2000;
const POLL_MS = 50;
const STARTING: ReadonlySet<AppState> = new Set(['starting', 'deploying', 'degraded', 'failing']);

class ForegroundLife {
  readonly #context: Context;
  readonly #options: UpOptions;
  readonly #forced: PromiseWithResolvers<never> = Promise.withResolvers();
  #node: RunningNode | undefined;
  #signals = 0;
  #lastSignalMs = -Infinity;

  constructor(context: Context, options: UpOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Until the node has stopped: by a signal, by `moln down`, or because it fell over. */
  async run(startNode: StartNode): Promise<number> {
    const startedMs = this.#context.clock.monotonicMs();
    const start = this.#withSpinner('Starting the node', startNode(this.#options));
    const node = await Promise.race([start, this.#forced.promise]);
    this.#node = node;
    if (this.#signals > 0) this.#stop(node);
    const ended = node.stopped.then(() => this.#stopped());
    const greeted = this.#greet(node, startedMs).then(
      () => ended,
      async (error: unknown) => {
        // A stop cuts off what was under way; anything else that fails here ends the node in order.
        if (this.#signals > 0) return ended;
        await node.stop();
        throw error;
      },
    );
    return Promise.race([greeted, ended, this.#forced.promise]);
  }

  async #withSpinner<T>(title: string, work: Promise<T>): Promise<T> {
    using _display = showWaiting(this.#context, title);
    return await work;
  }

  /** The first signal stops in order, the second says what is waited for, the third forces. */
  signalled(signal: string): void {
    const { words, clock } = this.#context;
    const nowMs = clock.monotonicMs();
    // A terminal signals its whole group, and npm passes on what it gets too: one press may come twice.
    if (nowMs - this.#lastSignalMs < SAME_PRESS_MS) return;
    this.#lastSignalMs = nowMs;
    this.#signals++;
    const left = findProcesses(this.#options.dataFolder).filter(({ role }) => role !== 'agent');
    if (this.#signals === 1) {
      words.note(`\n${signal === 'SIGINT' ? 'Ctrl-C' : signal}: stopping ${this.#leftWords(left)}`);
      if (this.#node !== undefined) this.#stop(this.#node);
    } else if (this.#signals === 2) {
      const names = left.map(({ label }) => label).join(', ') || 'the last writes';
      words.note(`Still waiting for ${names}. Press Ctrl-C again to force`);
    } else {
      this.#force().catch((error: unknown) => this.#forced.reject(error));
    }
  }

  #stop(node: RunningNode): void {
    node.stop().catch((error: unknown) => this.#forced.reject(error));
  }

  #leftWords(left: readonly unknown[]): string {
    return left.length === 0 ? 'the node' : `the node and ${count(left.length, 'process')}`;
  }

  async #force(): Promise<void> {
    const { words, clock } = this.#context;
    const left = findProcesses(this.#options.dataFolder).filter(({ role }) => role !== 'agent');
    await stopProcesses(left, { clock, graceMs: 0 });
    words.note('Stopped by force. Nothing that was acknowledged is lost');
    endNow();
  }

  #stopped(): number {
    if (this.#context.json) return EXIT.ok;
    const again = `${commandOf(this.#context)} up`;
    this.#context.words.line(`Stopped. Everything is kept; start it again with "${again}"`);
    return EXIT.ok;
  }

  async #greet(node: RunningNode, startedMs: number): Promise<void> {
    if (this.#signals > 0) return;
    const { words, clock, json } = this.#context;
    for (const { folder, app } of this.#options.deploys) await this.#deploy(node, folder, app);
    const status = await this.#settledStatus(node);
    if (this.#signals > 0) return;
    const loginLink = await this.#loginLink(node);
    const waitsFor = node.waitsFor();
    if (json) {
      words.json({ ...status, loginLink, waitsFor });
      return;
    }
    printUpWords(words, status, loginLink, {
      waitsFor,
      dataFolder: this.#options.dataFolder,
      tookMs: clock.monotonicMs() - startedMs,
      command: commandOf(this.#context),
    });
  }

  /** Undefined when it takes long, as while a change waits for another machine: the node serves all the same. */
  async #loginLink(node: RunningNode): Promise<string | undefined> {
    const { clock } = this.#context;
    const asked = node.loginLink();
    for (const deadline = clock.monotonicMs() + LINK_WITHIN_MS; ;) {
      const wait = clock.sleep(POLL_MS).then(() => undefined);
      const link = await Promise.race([asked, wait]);
      if (link !== undefined) return link;
      if (clock.monotonicMs() < deadline) continue;
      // Whatever becomes of it is said to the one who asks again.
      asked.catch(() => undefined);
      return undefined;
    }
  }

  /** The apps of last time start by themselves: what is said about them should be true when it is read. */
  async #settledStatus(node: RunningNode): Promise<Status> {
    const { clock } = this.#context;
    const deadline = clock.monotonicMs() + APPS_START_WITHIN_MS;
    using _display = showWaiting(this.#context, 'Starting the apps');
    for (;;) {
      const status = await node.status();
      const settled = status.apps.every(({ state }) => !STARTING.has(state));
      if (settled || this.#signals > 0 || clock.monotonicMs() > deadline) return status;
      await clock.sleep(POLL_MS);
    }
  }

  /** A folder that does not deploy is told, and the node stays up: its other apps are worth serving. */
  async #deploy(node: RunningNode, folder: string, app: string): Promise<void> {
    const { words } = this.#context;
    try {
      const stream = node.deployFolder(folder, app);
      await followProgress(this.#context, `Deploying ${app}`, stream);
    } catch (error) {
      if (!(error instanceof MolnError) || this.#signals > 0) throw error;
      words.note(`${words.style('red', `App "${app}" was not deployed`)}: ${error.message}`);
      if (error.hint !== undefined) words.note(`  ${error.hint}`);
    }
  }
}

/** How to call this CLI so that it means the same node. */
function commandOf(context: Context): string {
  const program = programName(context.io);
  return context.dataFolderGiven ? `${program} --data ${context.dataFolder}` : program;
}
