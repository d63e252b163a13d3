/** The clock of the machine that goes on while it sleeps (CLOCK_BOOTTIME). Linux only (`/proc`). */
import { readFileSync } from 'node:fs';
import type { Clock } from './time.ts';

/** Since the machine was started, its sleep included; in steps of 10 ms, never ahead. */
export function uptimeMs(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
}

/**
 * The same clock, but its monotonic time counts the machine's sleep too: for what others believe of this node while it is
 * suspended. Timers do not run then and are late afterwards: ask the time before anything is done.
 */
export function countingSleep(clock: Clock, uptime: () => number = uptimeMs): Clock {
  return {
    now: () => clock.now(),
    monotonicMs: uptime,
    after: (ms, call) => clock.after(ms, call),
    every: (ms, call) => clock.every(ms, call),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  };
}
