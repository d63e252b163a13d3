/** The processes of a fault run: nodes that are asked over IPC, and clients that speak on their output. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { MolnError } from '../../src/base/errors.ts';
import type { StripeDigest, StripeStatus } from '../../src/database/database.ts';
import { until } from '../until.ts';
import type { ClientsSetup } from './clients-main.ts';
import type { NodeAsk, NodeSetup } from './node-main.ts';
import type { Observation } from './observation.ts';
import type { WireReply } from './wire.ts';

/** Processes start often here, and most of that is compiling. */
const env: NodeJS.ProcessEnv = {
  ...process.env,
  NODE_COMPILE_CACHE: join(tmpdir(), 'moln-faults-compiled'),
};

export class FaultNode {
  readonly setup: NodeSetup;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #child: ChildProcess | undefined;
  #next = 0;
  /** What it wrote before it ended by itself. */
  #said = '';

  constructor(setup: NodeSetup) {
    this.setup = setup;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  async start(): Promise<void> {
    const script = join(import.meta.dirname, 'node-main.ts');
    const child = fork(script, [JSON.stringify(this.setup)], {
      serialization: 'advanced',
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on(
        'data',
        (data: Buffer) => (this.#said = (this.#said + data.toString()).slice(-4000)),
      );
    const ready = Promise.withResolvers<unknown>();
    this.#waiting.set(-1, ready);
    child.on('message', (reply: WireReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ('error' in reply) waiting?.reject(MolnError.from(reply.error));
      else waiting?.resolve(reply.value);
    });
    child.once('exit', (code, signal) => {
      if (this.#child === child) this.#child = undefined;
      const why = new Error(`${this.setup.name} has ended (${code ?? signal}): ${this.#said}`);
      for (const { reject } of this.#waiting.values()) reject(why);
      this.#waiting.clear();
      if (signal === null) this.crashed = this.#said || `code ${code}`;
    });
    await ready.promise;
  }

  /** Set when it ended and nobody had killed it. */
  crashed: string | undefined;

  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    this.signal('SIGCONT');
    this.signal('SIGKILL');
    await until(`${this.setup.name} has ended`, () => !this.isRunning);
  }

  async status(): Promise<readonly StripeStatus[]> {
    return (await this.#ask({ ask: 'status' })) as readonly StripeStatus[];
  }

  async digests(): Promise<readonly StripeDigest[]> {
    return (await this.#ask({ ask: 'digest' })) as readonly StripeDigest[];
  }

  async snapshot(): Promise<void> {
    await this.#ask({ ask: 'snapshot' });
  }

  async release(stripe: string): Promise<void> {
    await this.#ask({ ask: 'release', stripe });
  }

  async jump(ms: number): Promise<void> {
    await this.#ask({ ask: 'jump', ms });
  }

  async #ask(
    ask: NodeAsk extends infer One ? (One extends NodeAsk ? Omit<One, 'id'> : never) : never,
  ): Promise<unknown> {
    const child = this.#child;
    if (child === undefined) throw new Error(`${this.setup.name} is not running`);
    const id = this.#next++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    child.send({ ...ask, id });
    return await waiting.promise;
  }
}

export class Clients {
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;

  constructor(setup: ClientsSetup, onObservation: (one: Observation) => void) {
    const script = join(import.meta.dirname, 'clients-main.ts');
    this.#child = spawn(process.execPath, [script, JSON.stringify(setup)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env,
    });
    this.#child.stderr?.on('data', (data: Buffer) =>
      onObservation({
        kind: 'broken',
        what: `Clients complain: ${data.toString().slice(0, 2000)}`,
      }),
    );
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    lines.on('line', (line) => {
      // A killed process may leave half a line.
      if (line.endsWith('}')) onObservation(JSON.parse(line) as Observation);
    });
    this.#gone = Promise.all([once(this.#child, 'exit'), once(lines, 'close')]);
  }

  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#child.kill(name);
  }

  /** Each finishes what it does, or is killed. */
  async end(how: 'finish' | 'kill' = 'finish'): Promise<void> {
    this.signal('SIGCONT');
    if (how === 'kill') this.signal('SIGKILL');
    else this.#child.stdin?.end();
    await this.#gone;
  }
}
