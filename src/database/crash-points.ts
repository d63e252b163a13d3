/**
 * Named places between two steps at which a test may stop the process for good. Without a hook a place costs one comparison.
 * Each thread has its own hook, and only a process of the tests sets one.
 */

export const CRASH_POINTS = [
  'commit:group-run',
  'commit:before-append',
  'commit:after-append',
  'commit:before-answer',
  'together:before-append',
  'together:after-append',
  'ddl:run',
  'apply:before-commit',
  'apply:after-commit',
  'promotion:claimed',
  'promotion:caught-up',
  'promotion:triggers-made',
  'promotion:before-barrier',
  'promotion:after-barrier',
  'release:drained',
  'release:succeeded',
  'snapshot:made',
  'snapshot:stored',
  'snapshot:recorded',
  'trim:before',
  'trim:after',
] as const;

export type CrashPoint = (typeof CRASH_POINTS)[number];

let hook: ((point: CrashPoint) => void) | undefined;

export function setCrashHook(next: ((point: CrashPoint) => void) | undefined): void {
  hook = next;
}

export function crashPoint(point: CrashPoint): void {
  if (hook !== undefined) hook(point);
}
