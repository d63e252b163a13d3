/**
 * A real node in real processes, started by the real CLI on a temporary data folder: what a person would start.
 * When the test ends, nothing of it may be left: no process, and no file unless the test failed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Status } from '../src/api/model.ts';
import { messageOf } from '../src/base/errors.ts';
import { FollowedCli } from './followed-cli.ts';
import { freePorts } from './free-ports.ts';
import { ask, type Answer } from './http.ts';
import { Load } from './load.ts';
import { MOLN, runMoln, type CliResult } from './moln.ts';
import { killProcesses, processesOf, type SeenProcess } from './processes.ts';
import { until } from './until.ts';

const START_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 30_000;
/** Signals closer together than this are one press to `moln up`. */
const SAME_PRESS_MS = 350;
const TAIL_LINES = 40;
const OUTPUT_CHARACTERS_MAX = 200_000;
/** The last words of `moln up` once everything runs. */
const UP_MARK = 'Ctrl-C stops';

/** What a node needs of the test that it lives in: a `TestContext`, or something that plays it. */
export interface TestLife {
  after(cleanUp: () => void): void;
  diagnostic(message: string): void;
  /** In Node since 21.7, in its types not yet. */
  readonly passed?: boolean;
}

export interface TestNodeOptions {
  /** Default 127.0.0.1. */
  readonly address?: string;
  readonly name?: string;
  /** More words for `moln up`, such as `--deploy DIR`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** An existing folder; it is not removed. Default: a temporary one. */
  readonly dataFolder?: string;
  /** Runs the node and the CLI as this user; only root may. */
  readonly uid?: number;
  /** A program and words in front of what starts the agent, such as `ip netns exec NAME`. */
  readonly under?: readonly string[];
  /** Another copy of the program, for the agent. */
  readonly program?: string;
  /** Where ports are looked for that are free; default: the node's address, which must be one of this machine. */
  readonly portsOn?: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Of connections that are kept; default: one a request. */
  readonly agent?: Agent;
}

export interface ApiOptions {
  readonly body?: unknown;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export class TestNode implements AsyncDisposable {
  readonly dataFolder: string;
  readonly address: string;
  readonly ports: {
    readonly http: number;
    readonly https: number;
    readonly api: number;
    /** Where gateways answer those of other nodes. */
    readonly gateway: number;
  };
  readonly #options: TestNodeOptions;
  #agent: ChildProcess | undefined;
  #output = '';
  #problem: unknown;

  private constructor(options: TestNodeOptions, dataFolder: string, ports: readonly number[]) {
    const [http = 0, https = 0, api = 0, gateway = 0] = ports;
    this.#options = options;
    this.dataFolder = dataFolder;
    this.address = options.address ?? '127.0.0.1';
    this.ports = { http, https, api, gateway };
  }

  /** Resolves when everything that `moln up` was told runs. On a failed test its folder is kept and shown. */
  static async start(t: TestLife, options: TestNodeOptions = {}): Promise<TestNode> {
    const node = await TestNode.create(t, options);
    try {
      await node.restart();
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
    return node;
  }

  /** Folder and ports, nothing started yet. */
  static async create(t: TestLife, options: TestNodeOptions = {}): Promise<TestNode> {
    const folder = options.dataFolder ?? mkdtempSync(join(tmpdir(), 'moln-test-'));
    if (options.uid !== undefined) chownSync(folder, options.uid, options.uid);
    const ports = await freePorts(options.portsOn ?? options.address ?? '127.0.0.1', 4);
    const node = new TestNode(options, folder, ports);
    t.after(() => node.#cleanUp(t));
    return node;
  }

  get agentPid(): number {
    const pid = this.#agent?.pid;
    if (pid === undefined) throw new Error('The agent is not running');
    return pid;
  }

  get isRunning(): boolean {
    const agent = this.#agent;
    return agent !== undefined && agent.exitCode === null && agent.signalCode === null;
  }

  /** What `moln up` printed since it was last started. */
  get output(): string {
    return this.#output;
  }

  get name(): string {
    return this.#options.name ?? '';
  }

  /** The words after `moln` that start this node. */
  get upArguments(): readonly string[] {
    return ['up', ...this.#places()];
  }

  #places(): readonly string[] {
    const { address, dataFolder, ports } = this;
    const name = this.#options.name;
    const places = ['--data', dataFolder, '--address', address];
    const numbers = [ports.http, ports.https, ports.api, ports.gateway].map(String);
    const [http = '', https = '', api = '', gateway = ''] = numbers;
    const listeners = ['--http', http, '--https', https, '--port', api, '--gateways', '1'];
    const named = name === undefined ? [] : ['--name', name];
    const between = ['--gateway-port', gateway];
    return [...places, ...listeners, ...between, ...named, ...(this.#options.args ?? [])];
  }

  /** Starts the agent, for the first time or again on the same folder and ports. */
  async restart(): Promise<void> {
    await this.#start(this.upArguments);
  }

  /** Becomes a node of the cluster that the invite is from; started again with `restart`. */
  async join(invite: string): Promise<void> {
    await this.#start(['join', invite, ...this.#places()]);
  }

  async #start(words: readonly string[]): Promise<void> {
    if (this.#agent !== undefined) throw new Error('The agent runs already');
    this.#output = '';
    const { under = [], program: copy = MOLN } = this.#options;
    const [program = copy, ...rest] = [...under, copy, ...words];
    const agent = spawn(program, rest, {
      env: this.#environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...userOf(this.#options.uid),
    });
    this.#agent = agent;
    const take = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString('utf8')).slice(-OUTPUT_CHARACTERS_MAX);
    };
    agent.stdout.on('data', take);
    agent.stderr.on('data', take);
    const command = `"moln ${words[0]}"`;
    await until(
      `${command} to say that it is up`,
      () => this.#output.includes(UP_MARK) || agent.exitCode !== null,
      { withinMs: START_WITHIN_MS },
    );
    if (agent.exitCode === null) return;
    this.#agent = undefined;
    throw new Error(`${command} ended with ${agent.exitCode}:\n${this.#output}`);
  }

  /** As Ctrl-C does it. Returns the exit code once the agent and everything that it started are gone. */
  async stop(): Promise<number | null> {
    const code = await this.#end('SIGINT');
    await this.expectNoProcess();
    return code;
  }

  /** One Ctrl-C without waiting for what it does. Two in a row are far enough apart to count as two. */
  async interrupt(): Promise<void> {
    process.kill(this.agentPid, 'SIGINT');
    await pause(SAME_PRESS_MS);
  }

  /** Resolves when the agent has printed something that matches. */
  async says(pattern: RegExp): Promise<void> {
    await until(
      `${pattern}`,
      () => pattern.test(this.#output) || Promise.reject(new Error(this.#output)),
    );
  }

  /** kill -9 of the agent alone; gateways and instances go on. */
  async crash(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** kill -9 of everything that runs on the node, as when its power goes. */
  async kill(): Promise<void> {
    const agent = this.#agent;
    // Twice: something may just have been starting something.
    for (let round = 0; round < 2; round++) killProcesses(this.processes());
    await this.expectNoProcess();
    if (agent !== undefined) await this.ended();
  }

  /** SIGSTOP of everything that runs on the node, as when its machine hangs. */
  freeze(): void {
    for (const { pid } of this.processes()) process.kill(pid, 'SIGSTOP');
  }

  thaw(): void {
    for (const { pid } of this.processes()) process.kill(pid, 'SIGCONT');
  }

  pause(): void {
    process.kill(this.agentPid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.agentPid, 'SIGCONT');
  }

  /** Resolves when the agent has ended by itself, as after `moln down`. */
  async ended(): Promise<number | null> {
    const agent = this.#agent;
    if (agent === undefined) throw new Error('The agent is not running');
    await until('the agent to end', () => agent.exitCode !== null || agent.signalCode !== null, {
      withinMs: STOP_WITHIN_MS,
    });
    this.#agent = undefined;
    return agent.exitCode;
  }

  /** Runs the real CLI against this node. `input` is its standard input. */
  async cli(...words: readonly string[]): Promise<CliResult> {
    return this.cliWith({}, ...words);
  }

  async cliWith(
    options: { readonly input?: string; readonly env?: Readonly<Record<string, string>> },
    ...words: readonly string[]
  ): Promise<CliResult> {
    const env = { ...this.#environment(), MOLN_DATA: this.dataFolder, ...options.env };
    const user = userOf(this.#options.uid);
    return runMoln(words, { env, input: options.input ?? '', ...user });
  }

  /** Starts a command that does not end by itself, such as `logs -f`; interrupted when disposed of. */
  follow(...words: readonly string[]): FollowedCli {
    return new FollowedCli(words, { ...this.#environment(), MOLN_DATA: this.dataFolder });
  }

  /** The same with `--json`; throws unless it exits with 0. */
  async json<T>(...words: readonly string[]): Promise<T> {
    const result = await this.cli(...words, '--json');
    if (result.code !== 0) {
      throw new Error(`"moln ${words.join(' ')}" exits ${result.code}: ${result.stderr}`);
    }
    return JSON.parse(result.stdout) as T;
  }

  /** Straight to the agent's API on its own socket, past the CLI: for what is asked often. Throws unless it succeeds. */
  async api<T>(method: string, path: string, { body, ...options }: ApiOptions = {}): Promise<T> {
    const { address } = this;
    const sent = body === undefined ? {} : jsonBody(body);
    const socketPath = join(this.dataFolder, 'run', 'api.sock');
    const place = { address, port: 0, host: 'localhost', socketPath };
    const answer = await ask({ ...place, path, method, ...sent, ...options });
    if (answer.status >= 400) throw new Error(`${method} ${path} answers ${answer.body}`);
    return (answer.body === '' ? undefined : JSON.parse(answer.body)) as T;
  }

  status(): Promise<Status> {
    return this.json<Status>('status');
  }

  /** Without a slash at the end. */
  url(app: string): string {
    return `http://${app}.localhost:${this.ports.http}`;
  }

  /** Through the gateway, to the app's own host name. */
  get(app: string, path = '/', options: AskOptions = {}): Promise<Answer> {
    const { address } = this;
    const port = this.ports.http;
    return ask({ address, port, host: `${app}.localhost:${port}`, path, ...options });
  }

  /** Steady GETs to the app until it is stopped. */
  load(app: string, path = '/', options: { readonly parallel?: number } = {}): Load {
    return new Load(() => this.get(app, path), options);
  }

  processes(): readonly SeenProcess[] {
    return processesOf(this.dataFolder);
  }

  /** Everything that was started is gone, or an error that names what is left. */
  async expectNoProcess(): Promise<void> {
    const words = (): string =>
      this.processes()
        .map(({ pid, command }) => `${pid} ${command}`)
        .join('\n');
    await until(
      'all processes of the node to end',
      () => words() === '' || Promise.reject(new Error(words())),
      {
        withinMs: 5000,
      },
    );
  }

  /** The last lines of what the agent printed and of every log file. */
  logTail(): string {
    const tail = (text: string): string => text.trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
    const parts = [`── moln up ──\n${tail(this.#output)}`];
    for (const name of filesBelow(this.dataFolder)) {
      if (!/\.(?:log|jsonl|ndjson)$/.test(name)) continue;
      parts.push(`── ${name} ──\n${tail(readFileSync(join(this.dataFolder, name), 'utf8'))}`);
    }
    return parts.join('\n');
  }

  /** Never throws, or it would hide why the test failed: what went wrong fails the test afterwards. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#agent !== undefined) await this.#end('SIGINT');
      await this.expectNoProcess();
    } catch (error) {
      this.#problem = error;
    }
    killProcesses(this.processes());
    this.#agent = undefined;
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const agent = this.#agent;
    if (agent === undefined) throw new Error('The agent is not running');
    if (agent.exitCode === null && agent.signalCode === null) {
      // A stopped process would not hear anything but SIGKILL.
      process.kill(this.agentPid, 'SIGCONT');
      agent.kill(signal);
    }
    return this.ended();
  }

  #environment(): NodeJS.ProcessEnv {
    const { PATH, LANG } = process.env;
    return { PATH, LANG, HOME: this.dataFolder, ...this.#options.env };
  }

  /** After the test, when it is known whether it passed. */
  #cleanUp(t: TestLife): void {
    killProcesses(this.processes());
    const passed = t.passed === true;
    if (passed && this.#problem === undefined) {
      if (this.#options.dataFolder !== undefined) return;
      rmSync(this.dataFolder, { recursive: true, force: true, maxRetries: 3 });
      return;
    }
    t.diagnostic(`The node's folder is kept: ${this.dataFolder}`);
    for (const line of this.logTail().split('\n')) t.diagnostic(line);
    if (this.#problem === undefined) return;
    if (passed) throw this.#problem;
    t.diagnostic(`And it did not end as it should: ${messageOf(this.#problem)}`);
  }
}

function jsonBody(value: unknown): Pick<AskOptions, 'headers' | 'body'> {
  const body = JSON.stringify(value);
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  };
  return { headers, body };
}

function userOf(uid: number | undefined): { readonly uid?: number; readonly gid?: number } {
  return uid === undefined ? {} : { uid, gid: uid };
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
}
