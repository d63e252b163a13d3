/**
 * `npm run demo:cluster`: five nodes on this machine in two regions, with the example apps. A number on the keyboard kills
 * that node with everything that runs there, and again starts it; Ctrl-C stops all and removes their folders.
 * `-- --address 127.0.0.11` is for when 127.0.0.1 to .5 have something on these ports already.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { killProcesses, processesOf } from '../testing/processes.ts';
import { ownRuntime, ROOT } from './run.ts';

const MOLN = join(ROOT, 'moln');
const NAMES = ['one', 'two', 'three', 'four', 'five'] as const;
const REGIONS = ['north', 'north', 'north', 'south', 'south'] as const;
const HTTP_PORT = 8080;
const UP_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 30_000;
const POLL_MS = 50;
/** One press of Ctrl-C may arrive twice: from the terminal, and passed on by npm. */
const SAME_PRESS_MS = 300;
const APPS = [
  { name: 'site', instances: 0 },
  { name: 'guestbook', instances: 3 },
] as const;

class DemoNode {
  readonly name: string;
  readonly address: string;
  readonly folder: string;
  readonly #region: string;
  #agent: ChildProcess | undefined;

  constructor(parent: string, first: string, at: number) {
    this.name = NAMES[at] ?? String(at);
    this.#region = REGIONS[at] ?? 'north';
    this.address = first.replace(/\d+$/, (last) => String(Number(last) + at));
    this.folder = join(parent, this.name);
  }

  get isUp(): boolean {
    return this.#agent !== undefined;
  }

  get url(): string {
    return `http://${this.address}:${HTTP_PORT}`;
  }

  /** `['up']` or `['join', LINE]`; resolves when it runs. */
  async start(...first: readonly string[]): Promise<void> {
    const place = ['--data', this.folder, '--address', this.address, '--name', this.name];
    const ports = ['--http', String(HTTP_PORT), '--https', '8443', '--gateways', '1'];
    const agent = spawn(MOLN, [...first, ...place, ...ports, '--region', this.#region], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#agent = agent;
    agent.once('exit', () => (this.#agent = undefined));
    const log = createWriteStream(`${this.folder}.log`, { flags: 'a' });
    let output = '';
    const take = (chunk: Buffer): void => {
      if (output.length < 100_000) output += chunk.toString('utf8');
      log.write(chunk);
    };
    agent.stdout.on('data', take);
    agent.stderr.on('data', take);
    const deadline = performance.now() + UP_WITHIN_MS;
    while (!output.includes('Ctrl-C stops')) {
      if (this.#agent === undefined) throw new Error(`Node ${this.name} did not start:\n${output}`);
      if (performance.now() > deadline) throw new Error(`Node ${this.name} takes too long`);
      await pause(POLL_MS);
    }
  }

  /** As Ctrl-C in its own terminal; whatever is left after a while is killed. */
  async stop(): Promise<void> {
    const agent = this.#agent;
    if (agent !== undefined) {
      const ended = once(agent, 'exit');
      agent.kill('SIGINT');
      await Promise.race([ended, pause(STOP_WITHIN_MS, undefined, { ref: false })]);
    }
    this.kill();
  }

  /** As when its power goes. */
  kill(): void {
    for (let round = 0; round < 2; round++) killProcesses(processesOf(this.folder));
  }

  /** What the CLI prints, run against this node. */
  async cli(...words: readonly string[]): Promise<string> {
    const child = spawn(MOLN, ['--data', this.folder, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    await once(child, 'close');
    if (child.exitCode === 0) return stdout;
    throw new Error(`"moln ${words.join(' ')}" failed:\n${stderr}`);
  }

  /** `moln events -f` of this node, line by line. */
  followEvents(take: (line: string) => void): ChildProcess {
    const child = spawn(MOLN, ['--data', this.folder, 'events', '-f'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    createInterface({ input: child.stdout }).on('line', take);
    return child;
  }
}

class Demo {
  readonly #folder = mkdtempSync(join(tmpdir(), 'moln-demo-'));
  readonly #nodes: readonly DemoNode[];
  readonly #first: DemoNode;
  #events: ChildProcess | undefined;
  /** Whose events are shown. */
  #seer: DemoNode | undefined;
  #stopping: Promise<void> | undefined;

  /** `address` is the first of five. */
  constructor(address: string) {
    this.#first = new DemoNode(this.#folder, address, 0);
    const others = NAMES.slice(1).map((_, at) => new DemoNode(this.#folder, address, at + 1));
    this.#nodes = [this.#first, ...others];
  }

  get #isStopping(): boolean {
    return this.#stopping !== undefined;
  }

  async start(): Promise<void> {
    for (const [at, node] of this.#nodes.entries()) {
      if (this.#isStopping) return;
      const begunMs = performance.now();
      if (at === 0) await node.start('up');
      else await node.start('join', await this.#invite());
      const seconds = ((performance.now() - begunMs) / 1000).toFixed(1);
      console.log(`${at + 1}  ${node.name.padEnd(6)} ${node.address} is up after ${seconds} s`);
    }
    for (const { name, instances } of APPS) {
      if (this.#isStopping) return;
      await this.#first.cli('deploy', join(ROOT, 'examples', name), '--name', name);
      if (instances > 0) await this.#first.cli('app', name, 'scale', String(instances));
      console.log(`   ${name} is online at every node`);
    }
    this.#explain();
    this.#follow(this.#first);
  }

  /** Kills the node, or starts it again when it is down. */
  async toggle(at: number): Promise<void> {
    const node = this.#nodes[at];
    if (node === undefined || this.#isStopping) return;
    if (node.isUp) {
      console.log(`\n   kill -9 of everything on ${node.name}: watch`);
      node.kill();
      const seer = this.#nodes.find((other) => other !== node && other.isUp);
      if (seer !== undefined && this.#seer === node) this.#follow(seer);
    } else {
      console.log(`\n   ${node.name} comes back`);
      await node.start('up');
    }
  }

  /** However often it is asked. */
  async stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    await this.#stopping;
  }

  async #stop(): Promise<void> {
    console.log('\nStopping the five nodes');
    this.#events?.kill();
    // The first, which the others' registry may be on, goes last.
    for (const node of this.#nodes.toReversed()) {
      const begunMs = performance.now();
      await node.stop();
      console.log(
        `   ${node.name.padEnd(6)} ${((performance.now() - begunMs) / 1000).toFixed(1)} s`,
      );
    }
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  killAll(): void {
    for (const node of this.#nodes) node.kill();
    if (existsSync(this.#folder)) rmSync(this.#folder, { recursive: true, force: true });
  }

  async #invite(): Promise<string> {
    const { invite } = JSON.parse(await this.#first.cli('invite', '--json')) as { invite: string };
    return invite;
  }

  #follow(node: DemoNode): void {
    this.#events?.kill();
    this.#seer = node;
    this.#events = node.followEvents((line) => console.log(`   ${line}`));
  }

  #explain(): void {
    const moln = `./moln --data ${this.#first.folder}`;
    const ask = `curl -s -o /dev/null -w '%{http_code} ' -H 'Host: guestbook.localhost'`;
    const lines = [
      '',
      'Five nodes in two regions. The apps, at any of them:',
      ...this.#nodes.map(({ url, name }) => `   ${url.padEnd(24)} ${name}`),
      `   http://guestbook.localhost:${HTTP_PORT}  http://site.localhost:${HTTP_PORT}`,
      '',
      'Kill one and watch: press 4 (and Enter) and node "four" is gone as with its power cut; its instances',
      'come back elsewhere half a minute later. Press 4 again and it comes back. In another terminal:',
      `   while sleep 0.2; do ${ask} ${this.#nodes[1]?.url ?? ''}/; done`,
      `   ${moln} nodes`,
      `   ${moln} why app guestbook`,
      '',
      'Ctrl-C stops all of them and removes what they kept.',
      '',
    ];
    console.log(lines.join('\n'));
  }
}

ownRuntime();
const { values } = parseArgs({ options: { address: { type: 'string', default: '127.0.0.1' } } });
const demo = new Demo(values.address);
let pressedMs = -Infinity;
const onSignal = (): void => {
  const isAgain = pressedMs > 0;
  if (performance.now() - pressedMs < SAME_PRESS_MS) return;
  pressedMs = performance.now();
  if (isAgain) {
    demo.killAll();
    process.exit(1);
  }
  end(0);
};
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);
createInterface({ input: process.stdin }).on('line', (line) => {
  demo.toggle(Number(line.trim()) - 1).catch(fail);
});
demo.start().catch(fail);

function fail(error: unknown): void {
  // What a stop cuts off is no failure.
  if (pressedMs > 0) return;
  console.error(error instanceof Error ? error.message : error);
  end(1);
}

function end(code: number): void {
  demo.stop().then(
    () => process.exit(code),
    () => process.exit(1),
  );
}
