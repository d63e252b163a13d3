/**
 * Pure: the life of an instance, `(life, event) → life`. What has to be done about a state (kill, launch again) is
 * read off the state by `instance-supervisor.ts`. Times are monotonic milliseconds.
 */
import type { HealthPlan, InstanceState, ProcessPlan } from './model.ts';
import { systemCode } from '../base/errors.ts';
import { type Clock, formatDuration } from '../base/time.ts';
import type { InstanceRecord } from './instance-record.ts';
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MOST_MS,
  FAILURES_UNTIL_RESTART,
  FAILURES_UNTIL_UNHEALTHY,
  STABLE_AFTER_MS,
  WORKER_STAYED_UP_MS,
} from './run-limits.ts';

export interface LifeRules {
  readonly kind: ProcessPlan['kind'];
  readonly health: HealthPlan;
  /** On trial during a deploy: the first failure is the last. */
  readonly trial: boolean;
}

export interface Life {
  readonly state: InstanceState;
  readonly reason: string;
  readonly launchedAt: number;
  readonly healthyAt: number | undefined;
  /** Failed probes in a row. */
  readonly failures: number;
  /** What the last failed probe saw. */
  readonly problem: string | undefined;
  /** Crashes since it last was stable. */
  readonly crashes: number;
  readonly restarts: number;
  /** When a `backoff` ends. */
  readonly restartAt: number | undefined;
}

/** How a process ended; all undefined when it was not our child and nobody could tell us. */
export interface Exit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** Why it could not be started at all. */
  readonly problem: string | undefined;
}

export type LifeEvent =
  | { readonly kind: 'launched' }
  | { readonly kind: 'answered' }
  /** `mayRestart`: it is its turn, if it has been silent for too long. */
  | { readonly kind: 'failed'; readonly problem: string; readonly mayRestart: boolean }
  /** Time has passed. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'exited'; readonly exit: Exit }
  /** It runs and cannot go on: something that it was started with is gone. */
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'drain' }
  /** It is wanted after all. */
  | { readonly kind: 'resume' }
  | { readonly kind: 'stop'; readonly reason: string };

export const NEW_LIFE: Life = {
  state: 'starting',
  reason: 'starts',
  launchedAt: 0,
  healthyAt: undefined,
  failures: 0,
  problem: undefined,
  crashes: 0,
  restarts: 0,
  restartAt: undefined,
};

/** The life of an instance that an earlier agent started, or of one that is about to be. */
export function adoptedLife(
  record: Pick<InstanceRecord, 'startedAt' | 'restarts' | 'drainingSince' | 'healthy'>,
  clock: Clock,
): Life {
  const launchedAt = clock.monotonicMs() - Math.max(0, clock.now() - record.startedAt);
  const life = { ...NEW_LIFE, launchedAt, restarts: record.restarts };
  if (record.drainingSince !== undefined) {
    return { ...life, state: 'draining', reason: 'finishes what is under way' };
  }
  if (!record.healthy) return life;
  return { ...life, state: 'healthy', reason: 'answers', healthyAt: clock.monotonicMs() };
}

export function lifeAfter(life: Life, event: LifeEvent, now: number, rules: LifeRules): Life {
  // Stopped is the end: a late probe or exit changes nothing.
  if (life.state === 'stopped') return life;
  switch (event.kind) {
    case 'launched':
      return launched(life, now);
    case 'answered':
      return answered(life, now);
    case 'failed':
      return failed(life, event, now, rules);
    case 'tick':
      return ticked(life, now, rules);
    case 'exited':
      return ended(life, exitReason(event.exit, life, now), now, rules);
    case 'broken':
      return ended(life, event.reason, now, rules);
    case 'drain':
      return { ...life, state: 'draining', reason: 'finishes what is under way' };
    case 'resume':
      if (life.state !== 'draining') return life;
      return { ...life, state: 'starting', reason: 'is wanted again', launchedAt: now };
    case 'stop':
      return { ...life, state: 'stopped', reason: event.reason, restartAt: undefined };
  }
}

function launched(life: Life, now: number): Life {
  const again = life.state === 'backoff';
  return {
    ...life,
    state: 'starting',
    reason: again ? `starts again: ${life.reason.split('; restarts')[0]}` : 'starts',
    launchedAt: now,
    healthyAt: undefined,
    failures: 0,
    problem: undefined,
    restarts: life.restarts + (again ? 1 : 0),
    restartAt: undefined,
  };
}

function answered(life: Life, now: number): Life {
  if (life.state !== 'starting' && life.state !== 'unhealthy' && life.state !== 'healthy') {
    return life;
  }
  const healthyAt = life.state === 'healthy' ? (life.healthyAt ?? now) : now;
  return { ...life, state: 'healthy', reason: 'answers', healthyAt, failures: 0 };
}

function failed(
  life: Life,
  { problem, mayRestart }: Extract<LifeEvent, { kind: 'failed' }>,
  now: number,
  rules: LifeRules,
): Life {
  if (life.state === 'starting') return { ...life, problem };
  if (life.state !== 'healthy' && life.state !== 'unhealthy') return life;
  const failures = life.failures + 1;
  if (failures >= FAILURES_UNTIL_RESTART && mayRestart) {
    return ended(life, `${problem} (${failures} times in a row)`, now, rules);
  }
  if (failures < FAILURES_UNTIL_UNHEALTHY) return { ...life, failures, problem };
  return { ...life, state: 'unhealthy', reason: problem, failures, problem };
}

function ticked(life: Life, now: number, rules: LifeRules): Life {
  const up = now - life.launchedAt;
  if (life.state === 'starting' && rules.kind === 'worker') {
    if (up < Math.min(WORKER_STAYED_UP_MS, rules.health.startTimeoutMs)) return life;
    return { ...life, state: 'healthy', reason: 'stays up', healthyAt: now };
  }
  if (life.state === 'starting' && up >= rules.health.startTimeoutMs) {
    const problem = life.problem ?? 'was not asked';
    return ended(
      life,
      `${problem} within ${formatDuration(rules.health.startTimeoutMs)}`,
      now,
      rules,
    );
  }
  const stable = life.healthyAt !== undefined && now - life.healthyAt >= STABLE_AFTER_MS;
  return life.state === 'healthy' && stable && life.crashes > 0 ? { ...life, crashes: 0 } : life;
}

/** It has failed and must not run on: on trial for good, otherwise until the pause is over. */
function ended(life: Life, reason: string, now: number, rules: LifeRules): Life {
  if (rules.trial || life.state === 'draining') {
    return { ...life, state: 'stopped', reason, restartAt: undefined };
  }
  const pause = backoffMs(life.crashes);
  return {
    ...life,
    state: 'backoff',
    reason: `${reason}; restarts in ${formatDuration(pause)}`,
    crashes: life.crashes + 1,
    healthyAt: undefined,
    restartAt: now + pause,
  };
}

/** The pause before the next start after so many crashes in a row before this one. */
export function backoffMs(crashes: number): number {
  return Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(crashes, 20), BACKOFF_MOST_MS);
}

/** sh reports "killed by signal n" as 128 + n. */
const SIGNALS: Readonly<Record<number, string>> = {
  129: 'SIGHUP',
  130: 'SIGINT',
  131: 'SIGQUIT',
  132: 'SIGILL',
  134: 'SIGABRT',
  135: 'SIGBUS',
  136: 'SIGFPE',
  137: 'SIGKILL',
  139: 'SIGSEGV',
  141: 'SIGPIPE',
  143: 'SIGTERM',
};

export function exitReason(exit: Exit, life: Life, now: number): string {
  if (exit.problem !== undefined) return exit.problem;
  const after = `after ${formatDuration(now - life.launchedAt)}`;
  const before = life.state === 'starting' ? ', before it was ready' : '';
  const signal = exit.signal ?? (exit.code === undefined ? undefined : SIGNALS[exit.code]);
  if (signal !== undefined) return `was killed by ${signal} ${after}${before}`;
  if (exit.code === undefined) return `ended ${after}${before}`;
  const meaning = EXIT_MEANINGS[exit.code] ?? '';
  return `exited with code ${exit.code}${meaning} ${after}${before}`;
}

/** What a shell means by these. */
const EXIT_MEANINGS: Readonly<Record<number, string>> = {
  126: ' (the command cannot be run)',
  127: ' (the command was not found)',
};

export function notStarted(problem: string): Exit {
  return { code: undefined, signal: undefined, problem };
}

/** What the error of a `spawn` means for people. */
export function startProblem(error: Error, command: string): string {
  const code = systemCode(error);
  if (code === 'ENOENT') return `could not be started: "${command}" was not found`;
  if (code === 'EACCES') {
    return `could not be started: "${command}" is not a program that may be run`;
  }
  return `could not be started: ${error.message}`;
}
