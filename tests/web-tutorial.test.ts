/**
 * docs/tutorial.md, done as it says; no text of it is here. Blocks in `sh` are typed, and each line of a `text` block is in what the last of
 * them printed (`…`: anything). A block in `ts`, `tsx` or `diff` is the whole of, or changes lines of, the file that was named last before it, in
 * backticks (`@@`: further down). Blocks in `browser` are done in a real one, by the person whom each line names.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Page, TestBrowser } from '../testing/browser.ts';
import { freePorts } from '../testing/free-ports.ts';
import { MOLN, runMoln } from '../testing/moln.ts';
import { step } from '../testing/step.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from './console-kit.ts';

const PAGE = readFileSync(fileURLToPath(new URL('../docs/tutorial.md', import.meta.url)), 'utf8');
const DEV = 'http://localhost:3000';
const DEPLOYED = 'http://blog.localhost:8080';
const BROWSER_LINE = /^(?<who>\w+) (?<what>opens|types|presses|sees|does not see) (?<rest>.+)$/;

interface Block {
  readonly kind: string;
  readonly text: string;
  /** The file that was named last before it. */
  readonly file: string;
  /** The chapter that it is in. */
  readonly chapter: string;
}

function blocksOf(page: string): readonly Block[] {
  return [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
    ({ 1: kind = '', 2: text = '', index }) => {
      const before = page.slice(0, index);
      const file = [...before.matchAll(/`(\w[\w/]*\.(?:test\.)?tsx?)`/g)].at(-1)?.[1] ?? '';
      const chapter = [...before.matchAll(/^## (.+)$/gm)].at(-1)?.[1] ?? '';
      return { kind, text, file, chapter };
    },
  );
}

/** `text` with the lines changed that a diff names, in its order. */
function changed(text: string, diff: string): string {
  let done = '';
  let rest = text;
  for (const hunk of diff.split(/^@@\n/m)) {
    const lines = hunk.split('\n').slice(0, -1);
    const side = (mark: string): string =>
      lines
        .filter((line) => line.startsWith(mark) || line.startsWith(' '))
        .map((line) => `${line.slice(1)}\n`)
        .join('');
    const from = side('-');
    const at = rest.indexOf(from);
    assert.notEqual(at, -1, `These lines are not there:\n${from}\nbut:\n${rest}`);
    done += rest.slice(0, at) + side('+');
    rest = rest.slice(at + from.length);
  }
  return done + rest;
}

class Reader implements AsyncDisposable {
  readonly #node: TestNode;
  readonly #folder: string;
  readonly #pages = new Map<string, Page>();
  readonly #browser: TestBrowser;
  #cwd: string;
  #printed = '';
  #dev: ChildProcess | undefined;
  #devUrl = '';
  /** Who opened a page and has done nothing there since. */
  readonly #opened = new Map<Page, string>();
  readonly #current = new Map<string, Page>();

  private constructor(node: TestNode, folder: string, browser: TestBrowser) {
    this.#node = node;
    this.#folder = folder;
    this.#cwd = folder;
    this.#browser = browser;
  }

  static async start(t: TestContext, node: TestNode): Promise<Reader> {
    const folder = mkdtempSync(join(tmpdir(), 'moln-tutorial-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    return new Reader(node, folder, await TestBrowser.start());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser[Symbol.asyncDispose]();
    if (this.#dev === undefined) return;
    const ended = once(this.#dev, 'exit');
    this.#dev.kill('SIGINT');
    await ended;
  }

  async follow({ kind, text, file }: Block): Promise<void> {
    const lines = text.split('\n').slice(0, -1);
    if (kind === 'sh') this.#printed = '';
    for (const line of kind === 'sh' ? lines : []) await this.#type(line);
    for (const line of kind === 'browser' ? lines : []) await this.#browse(line);
    for (const line of kind === 'text' ? lines : []) this.#expect(line);
    if (kind === 'diff') await this.#write(file, (before) => changed(before, text));
    else if (kind === 'ts' || kind === 'tsx') await this.#write(file, () => text);
  }

  get #env(): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: this.#folder,
      MOLN_DATA: this.#node.dataFolder,
    };
  }

  async #type(line: string): Promise<void> {
    const [program, ...words] = line.split(' ');
    if (line === 'moln dev') await this.#startDev();
    else if (program === 'cd') this.#cwd = join(this.#cwd, words[0] ?? '');
    else if (program === 'rm') {
      const found = globSync(words, { cwd: this.#cwd });
      assert.notEqual(found.length, 0, line);
      for (const each of found) rmSync(join(this.#cwd, each));
    } else {
      assert.equal(program, 'moln', line);
      const { code, stdout, stderr } = await runMoln(words, { env: this.#env, cwd: this.#cwd });
      assert.equal(code, 0, `${line}\n${stdout}${stderr}`);
      this.#printed += stdout;
    }
  }

  async #startDev(): Promise<void> {
    const [port = 0] = await freePorts('127.0.0.1', 1);
    this.#devUrl = `http://localhost:${port}`;
    const words = ['dev', '--port', String(port)];
    this.#dev = spawn(MOLN, words, { cwd: this.#cwd, env: this.#env, stdio: 'ignore' });
    await until('moln dev', async () => (await fetch(this.#devUrl)).ok);
  }

  #expect(line: string): void {
    const words = line.split('…');
    const isSaid = this.#printed.split('\n').some((printed) => {
      let at = 0;
      return words.every((each) => {
        const found = printed.indexOf(each, at);
        at = found + each.length;
        return found !== -1;
      });
    });
    assert.ok(isSaid, `"${line}" is not in\n${this.#printed}`);
  }

  /** And waits until `moln dev` has seen it, as a person does. */
  async #write(file: string, change: (before: string) => string): Promise<void> {
    const path = join(this.#cwd, file);
    const before = file.startsWith('app/') ? await this.#version() : -1;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, change(readIfAny(path)));
    if (before !== -1)
      await until(`${file} to be loaded`, async () => (await this.#version()) > before);
  }

  /** Of the app that `moln dev` shows. */
  async #version(): Promise<number> {
    const reader = (await fetch(`${this.#devUrl}/_moln/changes`)).body?.getReader();
    const first = Buffer.from((await reader?.read())?.value ?? []).toString();
    await reader?.cancel();
    return Number(/\d+/.exec(first)?.[0]);
  }

  async #browse(line: string): Promise<void> {
    const { who = '', what, rest = '' } = BROWSER_LINE.exec(line)?.groups ?? {};
    if (what === 'opens') return await this.#open(who, rest);
    const page = this.#current.get(who);
    assert.ok(page, line);
    if (what === 'types') {
      const [, typed = '', label = ''] = /^"(.*)" into (.*)$/.exec(rest) ?? [];
      const input = page.getByLabel(label);
      await this.#shown(page, line, async () => (await input.count()) === 1);
      await input.fill(typed);
    } else if (what === 'presses') {
      const button = page.getByRole('button', { name: rest, exact: true });
      await this.#shown(page, line, async () => (await button.count()) === 1);
      await button.click();
    } else {
      const isWanted = what === 'sees';
      assert.ok(isWanted || what === 'does not see', line);
      const isThere = async (): Promise<boolean> => (await wordsOf(page)).includes(rest);
      await this.#shown(page, line, async () => (await isThere()) === isWanted);
      return;
    }
    this.#opened.delete(page);
  }

  async #open(who: string, address: string): Promise<void> {
    const isDev = address.startsWith(DEV);
    const url = isDev
      ? address.replace(DEV, this.#devUrl)
      : address.replace(DEPLOYED, this.#node.url('blog'));
    const key = `${who} ${isDev}`;
    // While an app is written, its pages load themselves anew: not under the hands of somebody who types.
    const page = this.#pages.get(key) ?? (await this.#browser.page({ javaScript: !isDev }));
    this.#pages.set(key, page);
    this.#current.set(who, page);
    await page.goto(url);
    this.#opened.set(page, url);
  }

  /** A page that was just opened while the app is written may be of before the last change: it is opened again. */
  async #shown(page: Page, what: string, condition: () => Promise<boolean>): Promise<void> {
    await until(what, async () => {
      if (await condition()) return true;
      const url = this.#opened.get(page);
      if (url?.startsWith(this.#devUrl) === true) await page.goto(url);
      throw new Error(await wordsOf(page));
    });
  }
}

async function wordsOf(page: Page): Promise<string> {
  return await page.locator('body').innerText();
}

function readIfAny(path: string): string {
  return globSync(path).length === 0 ? '' : readFileSync(path, 'utf8');
}

test('the tutorial is true', async (t) => {
  await using node = await TestNode.start(t);
  await using reader = await Reader.start(t, node);
  const blocks = blocksOf(PAGE);
  for (const chapter of new Set(blocks.map((block) => block.chapter)))
    await step(t, chapter, async () => {
      for (const block of blocks.filter((each) => each.chapter === chapter))
        await reader.follow(block);
    });
});
