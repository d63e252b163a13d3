/**
 * A fault run: clients work on stripes over three etcd members and three nodes while one thing after another breaks. After each round
 * of faults everything is mended, the clients end, what they saw is judged, and all copies must be equal.
 */
import { writeFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { Moment, type StripeDigest } from '../../src/database/database.ts';
import { elleJson } from '../histories/history.ts';
import { seeded } from '../seeded.ts';
import { until } from '../until.ts';
import { ACCOUNTS, AMOUNT, FaultCluster } from './cluster.ts';
import { type Fault, FAULTS, suffer } from './faults.ts';
import { historyOf, judge } from './judge.ts';
import { monotonicMs, type Observation } from './observation.ts';

export interface FaultRun {
  readonly seed: number;
  readonly minutes: number;
  /** Left out: all of them. */
  readonly faults?: readonly Fault[];
  readonly faultMs: number;
  readonly faultsPerRound: number;
  readonly clientProcesses: number;
  readonly workers: number;
  readonly stripes: number;
  readonly say: (line: string) => void;
  /** Where the histories of lists go, in the form that Elle reads. */
  readonly historyTo?: string;
}

/** Throws with all that was found. */
export async function runFaults(run: FaultRun): Promise<void> {
  const { say, seed, minutes } = run;
  const random = seeded(seed);
  const deadline = monotonicMs() + minutes * 60_000;
  await using on = await FaultCluster.start({
    nodes: 3,
    stripes: run.stripes,
    clientProcesses: run.clientProcesses,
    workers: run.workers,
    seed,
  });
  const wanted = run.faults ?? FAULTS;
  let left: Fault[] = [];
  for (let round = 1; round === 1 || monotonicMs() < deadline; round++) {
    on.observations.length = 0;
    on.beginClients();
    await until('clients are at work', () => on.observations.length > 50, { withinMs: 60_000 });
    for (let count = 0; count < run.faultsPerRound; count++) {
      // Each once, in any order, before any comes again.
      if (left.length === 0) left = [...wanted];
      const fault = random.pick(left);
      left = left.filter((one) => one !== fault);
      say(`round ${round}: ${fault.name}`);
      await suffer(on, fault, random, run.faultMs);
    }
    await on.endClients();
    await finishRound(on, run, round);
  }
}

async function finishRound(on: FaultCluster, run: FaultRun, round: number): Promise<void> {
  on.observations.push(...(await lastLook(on)));
  const { problems, counts } = judge(on.observations, ACCOUNTS * AMOUNT);
  const found = [...problems, ...(await unequal(on))];
  for (const node of on.nodes) {
    if (node.crashed !== undefined)
      found.push(`${node.setup.name} ended by itself: ${node.crashed}`);
    for (const { name, quarantined } of await node.status())
      if (quarantined !== undefined)
        found.push(`Copy ${name} of ${node.setup.name} was broken: ${quarantined}`);
  }
  if (run.historyTo !== undefined) {
    const of = historyOf(
      on.observations.filter((one) => one.kind === 'begin'),
      on.observations.filter((one) => one.kind === 'end'),
    );
    await writeFile(run.historyTo, elleJson(of));
  }
  run.say(
    `round ${round}: ${Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
  );
  if (found.length > 0)
    throw new Error(`${found.length} promises were broken:\n${found.slice(0, 20).join('\n')}`);
}

/** All lists, rows and accounts when everything is over: what was acknowledged must be there. */
async function lastLook(on: FaultCluster): Promise<readonly Observation[]> {
  const at = monotonicMs();
  const known = on.observations
    .filter((one) => one.kind === 'begin')
    .flatMap(({ steps }) => steps.map(([, key]) => key));
  const keys = new Set(known);
  const rows = await until(
    'all stripes can be read',
    async () => {
      const leaders = await on.leaders();
      await using moment = await Moment.open(on.log, leaders);
      const sql = 'SELECT k, v FROM list';
      return (await Promise.all(leaders.map(({ name }) => moment.query(name, { sql })))).flatMap(
        (one) => one.rows,
      );
    },
    { withinMs: 90_000 },
  );
  const lists = new Map(
    rows.map(([key, text]) => [Number(key), String(text).split(' ').map(Number)]),
  );
  const steps = [...keys].map((key) => ['r', key, lists.get(key) ?? []] as const);
  return [
    { kind: 'begin', id: 'last', process: -1, at, steps },
    { kind: 'end', id: 'last', type: 'ok', at: monotonicMs(), steps },
  ];
}

/** Names stripes of which two copies differ. */
async function unequal(on: FaultCluster): Promise<readonly string[]> {
  let last: readonly (readonly StripeDigest[])[] = [];
  const isSame = async (): Promise<boolean> => {
    last = await Promise.all(on.nodes.map((node) => node.digests()));
    return last.every((one) => isDeepStrictEqual(one, last[0]));
  };
  try {
    await until('all copies are equal', isSame, { withinMs: 60_000 });
    return [];
  } catch {
    return [`Copies differ: ${JSON.stringify(last)}`];
  }
}
