/**
 * The tracker of the examples on three nodes, while people work in it and nodes are killed: what was acknowledged is there, nobody is
 * signed out, and what was in flight is all that has to be repeated.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DatabaseDetail } from '../../src/api/api.ts';
import { messageOf } from '../../src/base/errors.ts';
import { copyExample } from '../../testing/examples.ts';
import { runMoln } from '../../testing/moln.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import { until } from '../../testing/until.ts';
import { Visitor } from '../../testing/visitor.ts';

const NAMES = ['a', 'b', 'c'] as const;
const READY = { a: 'ready', b: 'ready', c: 'ready' } as const;
const PEOPLE = ['Ada', 'Bob', 'Cleo', 'Dan'] as const;
const APP = 'tracker';
const WITHIN_MS = 120_000;
const PASSWORD = 'correct horse';

/** What the tracker has said that it has. */
interface Issue {
  readonly title: string;
  readonly path: string;
  state: string;
  readonly comments: string[];
  /** Content by name. */
  readonly files: Map<string, string>;
}

/** Somebody at work: opens issues, comments, attaches, moves, searches; goes to another node when one does not answer. */
class Person {
  readonly name: string;
  readonly visitor: Visitor;
  readonly issues: Issue[] = [];
  /** What had to be repeated, and why. */
  readonly repeated: string[] = [];
  rounds = 0;
  team = '';
  #at: number;
  #count = 0;
  #isOver = false;
  #work: Promise<void> = Promise.resolve();

  constructor(cluster: TestCluster, name: string, at: number) {
    this.name = name;
    this.#at = at;
    this.visitor = new Visitor((path, options) => {
      const node = cluster.nodes[this.#at % cluster.nodes.length];
      if (node === undefined) throw new Error('No node to ask');
      return node.get(APP, path, options);
    });
  }

  start(): void {
    this.#work = this.#all();
    // It is told when they stop.
    this.#work.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#work;
  }

  /** Repeats it at another node until it is acknowledged. `act` gets a word that no other attempt has. */
  async does<T>(what: string, act: (word: string) => Promise<T>): Promise<T> {
    return await until(
      `${this.name} to ${what}`,
      async () => {
        try {
          return { done: await act(`${this.name}${++this.#count}x`) };
        } catch (error) {
          this.repeated.push(`${what}: ${messageOf(error).slice(0, 200)}`);
          this.#at++;
          throw error;
        }
      },
      { withinMs: WITHIN_MS },
    ).then(({ done }) => done);
  }

  /** Where the answer to a form leads: it was acknowledged. */
  async sends(
    path: string,
    label: string,
    fields: Readonly<Record<string, string | File>>,
  ): Promise<string> {
    const { status, headers, body } = await this.visitor.pressed(path, label, fields);
    if (status !== 303) throw new Error(`"${label}" of ${path} answers ${status}: ${body}`);
    assert.notEqual(headers.location, '/session/new', `${this.name} was signed out`);
    return (headers.location ?? '').replace(/#.*/, '');
  }

  async sees(path: string, words: string): Promise<void> {
    const page = await this.visitor.get(path);
    if (!page.includes(words)) throw new Error(`${path} does not show ${words}`);
  }

  async #all(): Promise<void> {
    while (!this.#isOver) {
      await this.#round();
      this.rounds++;
    }
  }

  async #round(): Promise<void> {
    const issue = await this.does('open an issue', async (title): Promise<Issue> => {
      const path = await this.sends(`${this.team}/issues/new`, 'Open the issue', { title });
      return { title, path, state: 'open', comments: [], files: new Map() };
    });
    this.issues.push(issue);
    await this.does('comment', async (body) => {
      await this.sends(issue.path, 'Say it', { body });
      issue.comments.push(body);
    });
    await this.does('attach', async (name) => {
      const content = `${name} `.repeat(2000);
      const file = new File([content], `${name}.txt`, { type: 'text/plain' });
      await this.sends(issue.path, 'Attach', { file });
      issue.files.set(file.name, content);
    });
    await this.does('move a card', async () => {
      const { body } = await this.visitor.ask(`${issue.path}.json`);
      const { state } = JSON.parse(body) as { readonly state?: string };
      // It is there already when only the answer was lost: then there is no button for it.
      if (state !== 'doing')
        await this.sends(this.team, `Move "${issue.title}" to In progress`, {});
      issue.state = 'doing';
    });
    await this.does('find it', () => this.sees(`${this.team}/issues?q=${issue.title}`, issue.path));
  }
}

/** Somebody who only looks: a page of the board with its script, which loads the page anew when it is told to. */
class Watcher {
  readonly #person: Person;
  readonly #cluster: TestCluster;
  #isOver = false;
  #at = 0;
  told = 0;
  shown = '';

  constructor(cluster: TestCluster, person: Person) {
    this.#cluster = cluster;
    this.#person = person;
  }

  async run(): Promise<void> {
    let version = '';
    while (!this.#isOver) {
      const heard = await this.#listen(version);
      if (heard === undefined) continue;
      version = heard;
      this.told++;
      this.shown = await this.#person.visitor.get(this.#person.team).catch(() => this.shown);
    }
  }

  stop(): void {
    this.#isOver = true;
  }

  /** The next version; undefined when the stream has ended. */
  #listen(version: string): Promise<string | undefined> {
    const node = this.#cluster.nodes[this.#at++ % this.#cluster.nodes.length];
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const path = `/_moln/live?${new URLSearchParams({ tables: 'issues', version })}`;
    const headers = { host: `${APP}.localhost:${node?.ports.http}` };
    const where = { host: node?.address, port: node?.ports.http, path, headers, agent: false };
    const asked = get(where, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        const found = /data: (\S+)\n/.exec(text)?.[1];
        if (found === undefined) return;
        resolve(found);
        asked.destroy();
      });
      answer.once('close', () => resolve(undefined));
      answer.once('error', () => resolve(undefined));
    });
    asked.once('error', () => resolve(undefined));
    return promise;
  }
}

/** Each of them has done so many rounds more. */
async function workGoesOn(people: readonly Person[], rounds: number): Promise<void> {
  const before = people.map((person) => person.rounds);
  const isDone = (): boolean =>
    people.every((person, at) => person.rounds >= (before[at] ?? 0) + rounds);
  await until(`${rounds} rounds of everybody`, isDone, { withinMs: 2 * WITHIN_MS });
}

/**
 * All nodes, instances and copies are there again, so that the next node may die. What was started elsewhere stays there: instances
 * are not moved only because a node has come back.
 */
async function isWhole(cluster: TestCluster, seer: string): Promise<void> {
  await cluster.sees(seer, READY, WITHIN_MS);
  await cluster.isManagedBy(NAMES.length, seer);
  await until(
    'as many instances as are wanted',
    async () => {
      const places = await cluster.placesOf(APP, seer);
      if (places.length === NAMES.length) return true;
      throw new Error(`it runs on ${places.join(', ')}`);
    },
    { withinMs: WITHIN_MS },
  );
  await until(
    'a copy of each stripe beside each instance',
    async () => {
      const { stripeDetails } = await cluster.node(seer).json<DatabaseDetail>('db', 'show', APP);
      const isGood = stripeDetails.every(
        ({ copies, primary }) =>
          primary !== undefined &&
          copies.length === NAMES.length &&
          copies.every(({ lag }) => lag < 50),
      );
      if (!isGood) throw new Error(JSON.stringify(stripeDetails));
      return true;
    },
    { withinMs: WITHIN_MS },
  );
}

/** Everything that was acknowledged, asked of the tracker as a client of JSON. */
async function isThere({ visitor }: Person, issue: Issue): Promise<void> {
  const { status, body } = await visitor.ask(`${issue.path}.json`);
  assert.equal(status, 200, `${issue.title} is lost`);
  const kept = JSON.parse(body) as {
    readonly title: string;
    readonly state: string;
    readonly comments: readonly { readonly body: string }[];
    readonly attachments: readonly {
      readonly id: number;
      readonly file: { readonly name: string };
    }[];
  };
  assert.deepEqual([kept.title, kept.state], [issue.title, issue.state]);
  const said = new Set(kept.comments.map((comment) => comment.body));
  for (const comment of issue.comments) assert.ok(said.has(comment), `${comment} is lost`);
  for (const [name, content] of issue.files) {
    const found = kept.attachments.find(({ file }) => file.name === name);
    assert.ok(found, `${name} is lost`);
    const { headers } = await visitor.ask(`${issue.path}/attachments/${found.id}`);
    assert.equal((await visitor.ask(headers.location ?? '')).body, content, name);
  }
}

test('people use the tracker while nodes die', { timeout: 900_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-tracker-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const cwd = join(folder, APP);
  copyExample(APP, cwd);
  await using cluster = await TestCluster.form(t, NAMES);
  await cluster.isManagedBy(NAMES.length, 'a');
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    MOLN_DATA: cluster.node('a').dataFolder,
  };
  const typed = async (line: string): Promise<void> => {
    const { code, stdout, stderr } = await runMoln(line.split(' ').slice(1), { env, cwd });
    assert.equal(code, 0, `${line}\n${stdout}${stderr}`);
  };
  const people = PEOPLE.map((name, at) => new Person(cluster, name, at));
  const [owner] = people;
  assert.ok(owner);

  await step(t, 'it is deployed on three nodes, with a striped database and a bucket', async () => {
    await typed('moln deploy');
    await typed(`moln app ${APP} env S3_BUCKET=${APP}-files`);
    await typed(`moln scale ${APP} 3`);
    await cluster.runsOn(APP, NAMES, { withinMs: WITHIN_MS });
    await isWhole(cluster, 'a');
    const { stripeDetails } = await cluster.node('a').json<DatabaseDetail>('db', 'show', APP);
    t.diagnostic(`stripes: ${stripeDetails.length}`);
  });

  await step(t, 'people sign up and make a team', async () => {
    for (const person of people) {
      const { name } = person;
      const email = `${name.toLowerCase()}@example.org`;
      await person.sends('/users/new', 'Sign up', { name, email, password: PASSWORD });
    }
    const team = await owner.sends('/teams/new', 'Create', { name: 'Engine room' });
    for (const person of people) {
      person.team = team;
      if (person === owner) continue;
      const email = `${person.name.toLowerCase()}@example.org`;
      await owner.sends(`${team}/members`, 'Add', { email });
    }
    // The store of files is there when it takes one.
    const probe = await owner.sends(`${team}/issues/new`, 'Open the issue', { title: 'Probe' });
    const file = new File(['x'], 'x.txt');
    await owner.does('attach the first file', () => owner.sends(probe, 'Attach', { file }));
    owner.repeated.length = 0;
  });

  const watcher = new Watcher(cluster, owner);
  const watching = watcher.run();
  for (const person of people) person.start();
  await step(t, 'nothing fails while nothing dies', async () => {
    await workGoesOn(people, 2);
    assert.deepEqual(
      people.flatMap(({ repeated }) => repeated),
      [],
    );
  });

  for (const [victim, seer] of [
    ['b', 'a'],
    ['c', 'a'],
    ['a', 'b'],
  ] as const) {
    await step(t, `${victim} is killed, and the work goes on`, async () => {
      await cluster.node(victim).kill();
      await workGoesOn(people, 2);
    });
    await step(t, `${victim} comes back`, async () => {
      await cluster.node(victim).restart();
      await isWhole(cluster, seer);
      await workGoesOn(people, 1);
    });
  }

  await step(t, 'the board of somebody who only looks has followed', async () => {
    const last = await owner.does('open the last one', async (title) => {
      await owner.sends(`${owner.team}/issues/new`, 'Open the issue', { title });
      return title;
    });
    await until('the board to show it', () => watcher.shown.includes(last));
    watcher.stop();
    await owner.does('move on', (title) =>
      owner.sends(`${owner.team}/issues/new`, 'Open the issue', { title }),
    );
    await watching;
  });

  await step(t, 'everything that was acknowledged is there, for everybody', async () => {
    await Promise.all(people.map((person) => person.stop()));
    const issues = people.flatMap((person) => person.issues);
    for (const [at, issue] of issues.entries())
      await isThere(people[at % people.length] ?? owner, issue);
    const repeated = people.flatMap((person) => person.repeated);
    t.diagnostic(`${issues.length} issues, ${repeated.length} repeated, told ${watcher.told}`);
    for (const each of repeated) t.diagnostic(each);
  });
});
