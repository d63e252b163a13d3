/** The clock of the machine that goes on while it sleeps (CLOCK_BOOTTIME). Linux only (`/proc`). */
import { openSync, readSync } from 'node:fs';
import type { Clock } from './time.ts';

const text = Buffer.alloc(64);
/** Asked several times a second, so it stays open for the life of the process. */
let file: number | undefined;

/** Since the machine was started, its sleep included; in steps of 10 ms, never ahead. */
export function uptimeMs(): number {
  file ??= openSync('/proc/uptime', 'r');
  const length = readSync(file, text, 0, text.length, 0);
  return Number(text.toString('latin1', 0, text.subarray(0, length).indexOf(' '))) * 1000;
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
