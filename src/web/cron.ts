/** Times as cron writes them, `minute hour day month weekday`, in UTC. Pure. */
import { MolnError } from '../base/errors.ts';
import { dateOf } from '../base/time.ts';

const FIELDS: readonly (readonly [name: string, from: number, to: number])[] = [
  ['minute', 0, 59],
  ['hour', 0, 23],
  ['day', 1, 31],
  ['month', 1, 12],
  ['weekday', 0, 7],
];
const MINUTE_MS = 60_000;
/** How far back a time is looked for: a 29th of February comes after eight years at most. */
const MINUTES_MAX: number = 8 * 366 * 24 * 60;
const DAY_MINUTES = 1440;

export interface Cron {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** As cron has it since ever: when both are given, either day will do. */
  readonly isEitherDay: boolean;
}

/** Throws `WEB_BAD_CRON`. */
export function readCron(text: string): Cron {
  const words = text.trim().split(/\s+/);
  if (words.length !== FIELDS.length) {
    throw badCron(text, `has ${words.length} parts, want 5: minute hour day month weekday`);
  }
  const [minutes, hours, days, months, weekdays] = FIELDS.map(([name, from, to], at) =>
    readPart(text, words[at] ?? '', name, from, to),
  ) as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>];
  if (weekdays.delete(7)) weekdays.add(0);
  return {
    minutes,
    hours,
    days,
    months,
    weekdays,
    isEitherDay: words[2] !== '*' && words[4] !== '*',
  };
}

/** The newest time of it that is not after `nowMs`; undefined when there is none. */
export function latestTime(cron: Cron, nowMs: number): number | undefined {
  let ms = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  for (let minutes = 0; minutes < MINUTES_MAX;) {
    const date = dateOf(ms);
    const isDay = fitsDay(cron, date);
    if (isDay && cron.hours.has(date.getUTCHours()) && cron.minutes.has(date.getUTCMinutes()))
      return ms;
    // From a day that does not fit straight to the last minute of the day before.
    const step = isDay ? 1 : date.getUTCHours() * 60 + date.getUTCMinutes() + 1;
    minutes += Math.min(step, DAY_MINUTES);
    ms -= step * MINUTE_MS;
  }
  return undefined;
}

function fitsDay(cron: Cron, date: Date): boolean {
  if (!cron.months.has(date.getUTCMonth() + 1)) return false;
  const day = cron.days.has(date.getUTCDate());
  const weekday = cron.weekdays.has(date.getUTCDay());
  return cron.isEitherDay ? day || weekday : day && weekday;
}

function readPart(text: string, word: string, name: string, from: number, to: number): Set<number> {
  const found = new Set<number>();
  for (const piece of word.split(',')) {
    const [, first, last, step = '1'] = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(piece) ?? [];
    const isKnown = /^(?:\*|\d+(?:-\d+)?)(?:\/\d+)?$/.test(piece);
    const low = first === undefined ? from : Number(first);
    const single = first !== undefined && last === undefined && !piece.includes('/');
    const high = last === undefined ? (single ? low : to) : Number(last);
    if (!isKnown || low < from || high > to || low > high || Number(step) === 0) {
      throw badCron(
        text,
        `has "${word}" as its ${name}, want ${from} to ${to}, *, a-b, */n or a list`,
      );
    }
    for (let value = low; value <= high; value += Number(step)) found.add(value);
  }
  return found;
}

function badCron(text: string, why: string): MolnError {
  return new MolnError('WEB_BAD_CRON', `"${text}" ${why}`, {
    hint: 'Every night at three is "0 3 * * *", in UTC',
  });
}
