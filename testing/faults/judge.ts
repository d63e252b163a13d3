/** What the clients of one round saw, and whether it may be. */
import { isLinearizable } from '../histories/linearizable.ts';
import type { Transaction } from '../histories/history.ts';
import { checkListAppend } from '../histories/list-append.ts';
import {
  checkBank,
  checkComments,
  checkFresh,
  checkLongFork,
  checkSequential,
} from '../histories/visibility.ts';
import type { Observation } from './observation.ts';

type Of<Kind extends Observation['kind']> = Extract<Observation, { kind: Kind }>;

export interface Verdict {
  readonly problems: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

export function judge(observations: readonly Observation[], total: number): Verdict {
  const of = <Kind extends Observation['kind']>(kind: Kind): readonly Of<Kind>[] =>
    observations.filter((one): one is Of<Kind> => one.kind === kind);
  const history = historyOf(of('begin'), of('end'));
  const reads = of('bank').map(({ read }) => read);
  const problems = [
    ...of('broken').map(({ what }) => what),
    ...checkListAppend(history).map(({ name, needs, what }) => `${name} ${needs ?? ''}: ${what}`),
    ...checkBank(reads, total),
    ...checkLongFork(of('fork').map(({ read }) => read)),
    ...rows(of('write'), of('sight')),
    ...registers(of('register'), of('unwritten')),
    ...oldLists(of('old'), history),
  ];
  return {
    problems,
    counts: {
      transactions: history.length,
      ok: history.filter(({ type }) => type === 'ok').length,
      unknown: history.filter(({ type }) => type === 'info').length,
      bank: reads.length,
      counters: of('fork').length,
      notes: of('write').length,
      sights: of('sight').length,
      registers: new Set(of('register').map(({ id }) => id)).size,
      old: of('old').length,
      refused: of('refused').length,
    },
  };
}

/** Whoever was killed told the beginning only. */
export function historyOf(
  begins: readonly Of<'begin'>[],
  ends: readonly Of<'end'>[],
): readonly Transaction[] {
  const ended = new Map(ends.map((one) => [one.id, one]));
  return begins.map(({ id, process, at, steps }) => {
    const end = ended.get(id);
    return {
      process,
      type: end?.type ?? 'info',
      steps: end?.steps ?? steps,
      began: at,
      ended: end?.at ?? Infinity,
    };
  });
}

function rows(writes: readonly Of<'write'>[], sights: readonly Of<'sight'>[]): readonly string[] {
  const spaces = Map.groupBy(sights, ({ space }) => space);
  return [...spaces].flatMap(([space, looked]) => {
    const written = writes
      .filter((one) => one.space === space)
      .map(({ row, process, began, ended }) => ({ id: row, process, began, ended }));
    const seen = looked.map(({ began, rows: all }) => ({ began, seen: new Set(all) }));
    return [
      ...checkComments(written, seen),
      ...checkSequential(written, seen),
      ...checkFresh(written, seen),
    ];
  });
}

/** The last that is said of one counts. */
function registers(
  said: readonly Of<'register'>[],
  unwritten: readonly Of<'unwritten'>[],
): readonly string[] {
  const byId = new Map(said.map((one) => [one.id, one]));
  for (const { id } of unwritten) byId.delete(id);
  const step = (state: number, [kind, value]: Of<'register'>['op']): number | undefined => {
    if (kind === 'w') return value;
    return state === value ? state : undefined;
  };
  return [...Map.groupBy(byId.values(), ({ key }) => key)].flatMap(([key, mine]) => {
    const calls = mine.map(({ op, began, ended }) => ({ op, began, ended: ended ?? Infinity }));
    return isLinearizable(calls, 0, step)
      ? []
      : [`Register ${key} is not linearizable: ${JSON.stringify(mine)}`];
  });
}

/** Old they may be, but each was there once. */
function oldLists(all: readonly Of<'old'>[], history: readonly Transaction[]): readonly string[] {
  const longest = new Map<number, readonly number[]>();
  for (const { type, steps } of history) {
    if (type !== 'ok') continue;
    for (const step of steps) {
      if (step[0] !== 'r' || step[2] === null) continue;
      if (step[2].length > (longest.get(step[1])?.length ?? -1)) longest.set(step[1], step[2]);
    }
  }
  return all.flatMap(({ key, list }) => {
    const known = longest.get(key) ?? [];
    if (list.every((value, at) => value === known[at])) return [];
    return [`List ${key} was once ${list.join(' ')}, which does not lead to ${known.join(' ')}`];
  });
}
