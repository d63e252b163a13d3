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
import { readUpOptions, UP_OPTIONS, type RunningNode, type UpOptions } from '../up.ts';
import { printUpWords } from '../up-words.ts';
import { count } from '../words.ts';

export const UP: CommandSpec = {
  name: 'up',
  summary: 'Start a node on this machine, in the foreground.',
  local: true,
  options: UP_OPTIONS,
  examples: [
    ['moln up', 'a cloud of one machine'],
    ['moln up --deploy ./blog', 'and put ./blog online as "blog"'],
    ['moln up --data /tmp/b --address 127.0.0.2', 'a second node on the same machine'],
  ],
  run: async (context, input) => {
    const options = readUpOptions(input, context.dataFolder, context.io.cwd);
    if (context.startNode === undefined) throw new Error('This CLI was built without a node');
    const startedMs = context.clock.monotonicMs();
    const node = await context.startNode(options);
    const life = new ForegroundLife(context, node, options);
    using _signals = onStopSignals((signal) => life.signalled(signal), context.io.signals);
    return await life.run(startedMs);
  },
};

const SAME_PRESS_MS = 300;
/** An app that is not up by then is shown as what it is. */
const APPS_START_WITHIN_MS = 10_000;
const POLL_MS = 50;
const STARTING: ReadonlySet<AppState> = new Set(['deploying', 'degraded', 'failing']);

class ForegroundLife {
  readonly #context: Context;
  readonly #node: RunningNode;
  readonly #options: UpOptions;
  readonly #forced: PromiseWithResolvers<never> = Promise.withResolvers();
  #signals = 0;
  #lastSignalMs = -Infinity;

  constructor(context: Context, node: RunningNode, options: UpOptions) {
    this.#context = context;
    this.#node = node;
    this.#options = options;
  }

  /** Until the node has stopped: by a signal, by `moln down`, or because it fell over. */
  async run(startedMs: number): Promise<number> {
    const ended = this.#node.stopped.then(() => this.#stopped());
    // The greeting may still be under way when the node stops: whichever ends first decides.
    return Promise.race([this.#greet(startedMs).then(() => ended), ended, this.#forced.promise]);
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
      this.#node.stop().catch((error: unknown) => this.#forced.reject(error));
    } else if (this.#signals === 2) {
      const names = left.map(({ label }) => label).join(', ') || 'the last writes';
      words.note(`Still waiting for ${names}. Press Ctrl-C again to force`);
    } else {
      this.#force().catch((error: unknown) => this.#forced.reject(error));
    }
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

  async #greet(startedMs: number): Promise<void> {
    const { words, clock, json } = this.#context;
    for (const { folder, app } of this.#options.deploys) await this.#deploy(folder, app);
    const status = await this.#settledStatus();
    if (this.#signals > 0) return;
    if (json) {
      words.json({ ...status, loginLink: await this.#node.loginLink() });
      return;
    }
    printUpWords(words, status, await this.#node.loginLink(), {
      dataFolder: this.#options.dataFolder,
      tookMs: clock.monotonicMs() - startedMs,
      command: commandOf(this.#context),
    });
  }

  /** The apps of last time start by themselves: what is said about them should be true when it is read. */
  async #settledStatus(): Promise<Status> {
    const { clock } = this.#context;
    const deadline = clock.monotonicMs() + APPS_START_WITHIN_MS;
    using _display = showWaiting(this.#context, 'Starting the apps');
    for (;;) {
      const status = await this.#node.status();
      const settled = status.apps.every(({ state }) => !STARTING.has(state));
      if (settled || this.#signals > 0 || clock.monotonicMs() > deadline) return status;
      await clock.sleep(POLL_MS);
    }
  }

  /** A folder that does not deploy is told, and the node stays up: its other apps are worth serving. */
  async #deploy(folder: string, app: string): Promise<void> {
    const { words } = this.#context;
    try {
      const stream = this.#node.deployFolder(folder, app);
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
