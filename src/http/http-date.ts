/**
 * HTTP dates (RFC 9110 section 5.6.7): written as IMF-fixdate only, read in all three formats, strictly.
 * Wrong weekdays, days that the month does not have and other time zones are refused.
 */
import { isoTime, systemClock } from '../base/time.ts';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const DAYS_LONG = [
  'Sunday',
  'Monday',
  'Tuesday',
  'Wednesday',
  'Thursday',
  'Friday',
  'Saturday',
] as const;
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** `Sun, 06 Nov 1994 08:49:37 GMT`. The weekday is checked against the date. */
const IMF_FIXDATE =
  /^(?<day>[A-Z][a-z]{2}), (?<date>\d{2}) (?<month>[A-Z][a-z]{2}) (?<year>\d{4}) (?<time>\d{2}:\d{2}:\d{2}) GMT$/;
/** `Sunday, 06-Nov-94 08:49:37 GMT`, obsolete. */
const RFC_850 =
  /^(?<day>[A-Z][a-z]{5,8}), (?<date>\d{2})-(?<month>[A-Z][a-z]{2})-(?<year>\d{2}) (?<time>\d{2}:\d{2}:\d{2}) GMT$/;
/** `Sun Nov  6 08:49:37 1994`, obsolete. */
const ASCTIME =
  /^(?<day>[A-Z][a-z]{2}) (?<month>[A-Z][a-z]{2}) (?<date>\d{2}| \d) (?<time>\d{2}:\d{2}:\d{2}) (?<year>\d{4})$/;

/** A two-digit year that looks more than this far ahead means the last century (RFC 9110 5.6.7). */
const FUTURE_YEARS_MAX = 50;

const MS_PER_SECOND = 1000;
const MS_PER_DAY = 86_400_000;
const MS_PER_YEAR = 365.2425 * MS_PER_DAY;
/** The calendar repeats after 400 years. */
const MS_PER_ERA = 400 * MS_PER_YEAR;

/** `Sun, 06 Nov 1994 08:49:37 GMT` of epoch milliseconds (years 0 to 9999); fractions of a second are cut off. */
export function formatHttpDate(ms: number): string {
  const iso = isoTime(ms);
  const month = MONTHS[Number(iso.slice(5, 7)) - 1] ?? '';
  const time = iso.slice(11, 19);
  return `${DAYS[weekday(ms)]}, ${iso.slice(8, 10)} ${month} ${iso.slice(0, 4)} ${time} GMT`;
}

/**
 * Epoch milliseconds of an HTTP date, or undefined when it is not one.
 * `now` (epoch milliseconds) decides the century of RFC 850 dates.
 */
export function parseHttpDate(text: string, now?: number): number | undefined {
  // IMF-fixdate is what everybody sends, so it is tried first.
  const fields = (IMF_FIXDATE.exec(text) ?? RFC_850.exec(text) ?? ASCTIME.exec(text))?.groups;
  if (fields === undefined) return undefined;
  const { day = '', date = '', month = '', year = '', time = '' } = fields;
  const monthIndex = MONTHS.indexOf(month);
  const timeMs = timeOfDay(time);
  if (monthIndex < 0 || timeMs === undefined) return undefined;
  const midnight =
    year.length === 4
      ? midnightOf(Number(year), monthIndex, Number(date))
      : midnightOfShortYear(Number(year), monthIndex, Number(date), now ?? systemClock.now());
  if (midnight === undefined) return undefined;
  if (day !== DAYS[weekday(midnight)] && day !== DAYS_LONG[weekday(midnight)]) return undefined;
  return midnight + timeMs;
}

/** 60 is a leap second (RFC 9110 5.6.7 takes RFC 5322's second): the moment after :59. */
function timeOfDay(text: string): number | undefined {
  const [hour = 0, minute = 0, second = 0] = text.split(':').map(Number);
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  return ((hour * 60 + minute) * 60 + second) * MS_PER_SECOND;
}

/** Undefined when the month has no such day. */
function midnightOf(year: number, month: number, date: number): number | undefined {
  // Date.UTC reads years below 100 as 19xx, so it is asked for the same day one era later.
  const ms = Date.UTC(year + 400, month, date) - MS_PER_ERA;
  return Number(isoTime(ms).slice(-16, -14)) === date ? ms : undefined;
}

function midnightOfShortYear(
  year: number,
  month: number,
  date: number,
  now: number,
): number | undefined {
  const century = Math.floor(Number(isoTime(now).slice(0, 4)) / 100) * 100;
  // 29 February may exist in one of the two centuries only, so the guess is by the first of the month.
  const guess = Date.UTC(century + year, month, 1);
  const future = guess > now + FUTURE_YEARS_MAX * MS_PER_YEAR;
  return midnightOf(century + year - (future ? 100 : 0), month, date);
}

/** 0 is Sunday; 1 January 1970 was a Thursday. */
function weekday(ms: number): number {
  return (((Math.floor(ms / MS_PER_DAY) + 4) % 7) + 7) % 7;
}
