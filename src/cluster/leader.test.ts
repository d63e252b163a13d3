/** Electing, holding, losing and the recorded steps, on the embedded registry with a clock by hand. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { isMolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { openSqliteRegistry, type Registry } from '../registry/registry.ts';
import { LeaderElection, type LeaderTerm } from './leader.ts';
import { LEADER_KEY, leaderFacts } from './leader-records.ts';
import { Plans, type StepHandler } from './steps.ts';

const TTL_MS = 3000;

interface Stage {
  readonly registry: Registry;
  readonly clock: ManualClock;
  /** A candidate whose work lasts as long as its term; `terms` are all that it had. */
  readonly candidate: (
    id: string,
    work?: (term: LeaderTerm) => Promise<void>,
    mayLead?: () => boolean,
  ) => Candidate;
}

interface Candidate {
  readonly election: LeaderElection;
  readonly terms: LeaderTerm[];
}

async function stageOf(context: TestContext): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-leader-'));
  const clock = new ManualClock();
  const path = join(folder, 'registry.sqlite');
  const registry = await openSqliteRegistry({ path, clock, log: silentLogger });
  const elections: LeaderElection[] = [];
  context.after(async () => {
    for (const election of elections) await election[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const candidate = (id: string, work = untilOver, mayLead = () => true): Candidate => {
    const terms: LeaderTerm[] = [];
    const election = new LeaderElection({
      registry,
      node: { id, name: id },
      clock,
      log: silentLogger,
      ttlMs: TTL_MS,
      mayLead,
      lead: (term) => {
        terms.push(term);
        return work(term);
      },
    });
    elections.push(election);
    return { election, terms };
  };
  return { registry, clock, candidate };
}

function untilOver({ signal }: LeaderTerm): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });
}

async function firstTerm({ election, terms }: Candidate): Promise<LeaderTerm> {
  return until('it leads', async () => {
    await election.step();
    return terms[0];
  });
}

const deposed = (error: unknown): boolean => isMolnError(error, 'CLUSTER_DEPOSED');

test('one leads, the other waits; resigning hands over at once and says so', async (context) => {
  const { registry, candidate } = await stageOf(context);
  assert.equal((await leaderFacts(registry)).summary, 'Nobody has led yet');
  const [one, two] = [candidate('n1'), candidate('n2')];
  const term = await firstTerm(one);
  await two.election.step();
  assert.deepEqual([one.election.isLeading, two.election.isLeading], [true, false]);
  assert.equal(two.election.status(), 'n1 leads');
  assert.equal((await leaderFacts(registry)).summary, 'n1 leads: it was the first');
  await one.election.resign();
  assert.equal(term.signal.aborted, true);
  assert.equal((await leaderFacts(registry)).summary, 'Nobody leads: n1 resigned');
  const next = await firstTerm(two);
  assert.ok(next.token > term.token);
  assert.equal((await leaderFacts(registry)).summary, 'n2 leads: n1 resigned');
});

test('one that may not lead any more resigns, and does not stand again until it may', async (context) => {
  const { registry, candidate } = await stageOf(context);
  let may = true;
  const one = candidate('n1', untilOver, () => may);
  const term = await firstTerm(one);
  may = false;
  await one.election.step();
  assert.equal(term.signal.aborted, true);
  assert.equal((await leaderFacts(registry)).summary, 'Nobody leads: n1 resigned');
  await one.election.step();
  assert.equal(one.election.isLeading, false);
  may = true;
  await one.election.step();
  assert.equal(one.election.isLeading, true);
});

test('a leader that renews stays; one that cannot stops before the others may lead', async (context) => {
  const { registry, clock, candidate } = await stageOf(context);
  const [one, two] = [candidate('n1'), candidate('n2')];
  const term = await firstTerm(one);
  for (let round = 0; round < 10; round++) {
    clock.advance(TTL_MS / 2);
    await one.election.step();
    await two.election.step();
  }
  assert.equal(term.signal.aborted, false);
  clock.advance(TTL_MS * 0.85);
  assert.equal(term.signal.aborted, true, 'it stops by itself');
  await two.election.step();
  assert.equal(two.terms.length, 0, 'before another one can lead');
  clock.advance(TTL_MS * 0.2);
  await firstTerm(two);
  assert.equal((await leaderFacts(registry)).summary, 'n2 leads: n1 did not renew its lease');
  await assert.rejects(
    term.commit([], [{ kind: 'put', key: '/x', value: Buffer.from('old') }]),
    deposed,
  );
});

test('a deposed leader that does not know it yet commits nothing', async (context) => {
  const { registry, candidate } = await stageOf(context);
  const one = candidate('n1');
  const term = await firstTerm(one);
  const put = { kind: 'put', key: '/x', value: Buffer.from('1') } as const;
  assert.equal((await term.commit([], [put])).kind, 'committed');
  // As etcd may do to a lease that looks alive to its holder.
  await registry.commit([], [{ kind: 'delete', key: LEADER_KEY }]);
  assert.equal(one.election.isLeading, true);
  await assert.rejects(term.commit([], [{ ...put, value: Buffer.from('2') }]), deposed);
  assert.equal(Buffer.from((await registry.get('/x'))?.value ?? '').toString(), '1');
  assert.equal(term.signal.aborted, true);
});

test('an agent that starts again takes its own term over without waiting', async (context) => {
  const { registry, candidate } = await stageOf(context);
  const term = await firstTerm(candidate('n1'));
  const next = await firstTerm(candidate('n1'));
  assert.ok(next.token > term.token);
  const put = { kind: 'put', key: '/x', value: Buffer.from('1') } as const;
  await assert.rejects(term.commit([], [put]), deposed);
  assert.equal((await next.commit([], [put])).kind, 'committed');
  assert.match((await leaderFacts(registry)).summary, /its agent was started again/);
});

test('who waits is told when the leader ends', async (context) => {
  const { candidate } = await stageOf(context);
  const [one, two] = [candidate('n1'), candidate('n2')];
  await firstTerm(one);
  const stop = new AbortController();
  context.after(() => stop.abort());
  const changes = two.election.changes(stop.signal);
  await changes.next();
  const told = changes.next();
  await one.election.resign();
  await told;
  await two.election.step();
  assert.equal(two.election.isLeading, true);
});

test('work that fails resigns and lets the others go first', async (context) => {
  const { clock, candidate } = await stageOf(context);
  const one = candidate('n1', () => Promise.reject(new Error('broken')));
  const two = candidate('n2');
  await firstTerm(one);
  await until('it resigned', async () => {
    await one.election.step();
    return !one.election.isLeading;
  });
  await one.election.step();
  assert.equal(one.terms.length, 1);
  await firstTerm(two);
  await two.election.resign();
  clock.advance(TTL_MS * 3);
  await until('it tries again', async () => {
    await one.election.step();
    return one.terms.length === 2;
  });
});

test('the next leader goes on with a plan where the last one died', async (context) => {
  const { registry, clock, candidate } = await stageOf(context);
  const plans = new Plans(registry);
  const one = candidate('n1');
  const first = await firstTerm(one);
  const done: string[] = [];
  const steps = ['a', 'b', 'c'].map((name) => ({ name: 'note', input: name }));
  const plan = { title: 'Test', createdMs: clock.now(), steps };
  assert.equal(await plans.add(first, 'p1', plan), true);
  assert.equal(await plans.add(first, 'p1', plan), false, 'planned once');
  const note: StepHandler = async (input) => {
    done.push(String(input));
  };
  await plans.step(first, 'p1', { note });
  const two = candidate('n2');
  // Does the second step and is deposed before it can write that down.
  const dies: StepHandler = async (input) => {
    done.push(String(input));
    await one.election.resign();
    await firstTerm(two);
  };
  await assert.rejects(plans.step(first, 'p1', { note: dies }), deposed);
  const [next] = two.terms;
  assert.ok(next);
  const states = (await plans.list()).flatMap(({ value }) => value.steps.map((step) => step.state));
  assert.deepEqual(states, ['done', 'doing', 'todo']);
  for (let round = 0; round < 5; round++) await plans.step(next, 'p1', { note });
  assert.deepEqual(done, ['a', 'b', 'b', 'c'], 'again what was not written down, nothing skipped');
  assert.deepEqual(await plans.list(), []);
});

test('a step that fails says why and is tried again; an unknown one is refused', async (context) => {
  const { registry, clock, candidate } = await stageOf(context);
  const plans = new Plans(registry);
  const term = await firstTerm(candidate('n1'));
  const steps = [{ name: 'shaky', input: { n: 1 } }, { name: 'new' }].map((step) => ({
    input: undefined,
    ...step,
  }));
  await plans.add(term, 'p', { title: 'Test', createdMs: clock.now(), steps });
  const seen: unknown[] = [];
  const shaky: StepHandler = async (input, { attempts }) => {
    seen.push(input);
    if (attempts === 1) throw new Error('no room');
  };
  assert.equal((await plans.step(term, 'p', { shaky })).kind, 'failed');
  assert.equal((await plans.list())[0]?.value.steps[0]?.failure, 'no room');
  assert.equal((await plans.step(term, 'p', { shaky })).kind, 'stepped');
  assert.deepEqual(seen, [{ n: 1 }, { n: 1 }]);
  await assert.rejects(plans.step(term, 'p', { shaky }), (error) =>
    isMolnError(error, 'CLUSTER_STEP_UNKNOWN'),
  );
});
