/**
 * Answers that are ready in one turn of the event loop are written right behind each other: the process that reads them is then awake for most of them, while to
 * wake it for each costs both sides more than a point read. Nothing waits for longer than the turn takes.
 */
import { OUTBOX_ANSWERS_MAX } from './limits.ts';

let waiting: (() => void)[] = [];

/** Calls at the end of this turn, or when enough wait. */
export function writeSoon(write: () => void): void {
  waiting.push(write);
  if (waiting.length === 1) setImmediate(flush);
  else if (waiting.length >= OUTBOX_ANSWERS_MAX) flush();
}

function flush(): void {
  const writes = waiting;
  waiting = [];
  for (const write of writes) write();
}
