/** Events in order, filtered, by day, and with the names in them found. Pure. */
import type { EventDetail } from '../../api/model.ts';

/** As many as the cluster itself keeps. */
export const EVENTS_KEPT = 1000;

/** `more` and `events` together: oldest first, each once, the newest `EVENTS_KEPT`. Ids sort by time. */
export function mergeEvents(
  events: readonly EventDetail[],
  more: readonly EventDetail[],
): readonly EventDetail[] {
  const known = new Set(events.map(({ id }) => id));
  const fresh = more.filter(({ id }) => !known.has(id));
  if (fresh.length === 0) return events;
  return [...events, ...fresh]
    .toSorted((left, right) => (left.id < right.id ? -1 : 1))
    .slice(-EVENTS_KEPT);
}

/** Of one kind when one is given; with the text in them, whatever the case. */
export function filterEvents(
  events: readonly EventDetail[],
  filter: { readonly kind: string; readonly text: string },
): readonly EventDetail[] {
  const text = filter.text.trim().toLowerCase();
  return events.filter(
    (event) =>
      (filter.kind === '' || event.kind === filter.kind) &&
      (text === '' || `${event.kind} ${event.text}`.toLowerCase().includes(text)),
  );
}

export interface EventDay {
  /** What `dayOf` says of its events. */
  readonly day: string;
  /** Newest first. */
  readonly events: readonly EventDetail[];
}

/** The newest day first. */
export function byDay(
  events: readonly EventDetail[],
  dayOf: (at: number) => string,
): readonly EventDay[] {
  const days = new Map<string, EventDetail[]>();
  for (const event of events.toReversed()) {
    const day = dayOf(event.at);
    const there = days.get(day);
    if (there === undefined) days.set(day, [event]);
    else there.push(event);
  }
  return [...days].map(([day, own]) => ({ day, events: own }));
}

export interface TextPart {
  readonly text: string;
  /** Where it leads; undefined for plain words. */
  readonly href: string | undefined;
}

/** The sentence in parts: the first mention of each name, as a word of its own, leads somewhere. */
export function linkNames(
  sentence: string,
  hrefs: Readonly<Record<string, string>>,
): readonly TextPart[] {
  const left = new Map(Object.entries(hrefs));
  const parts: TextPart[] = [];
  for (const text of sentence.split(/([\w-]+(?:\.[\w-]+)*)/)) {
    const href = left.get(text);
    const last = parts.at(-1);
    if (href !== undefined) {
      left.delete(text);
      parts.push({ text, href });
    } else if (last === undefined || last.href !== undefined) {
      parts.push({ text, href: undefined });
    } else {
      parts[parts.length - 1] = { text: last.text + text, href: undefined };
    }
  }
  return parts.filter(({ text }) => text !== '');
}
