/**
 * Which nodes have a copy beside those that keep a database safe, because an app that uses it runs there: what it reads is then answered by its own
 * node, which asks nobody but the log. Pure. Such a copy keeps nothing safe and is counted nowhere: it comes and goes with the app.
 */
import type { StripeState } from './control.ts';
import { NEAR_COPIES_MAX } from './limits.ts';
import type { PlaceNode } from './places.ts';

export interface NearInput {
  /** As it is. */
  readonly near: readonly string[];
  /** Where its apps run, by id. */
  readonly readers: readonly string[];
  /** Every member. */
  readonly nodes: readonly PlaceNode[];
  /** See `LeadsInput`. */
  readonly primaries: readonly (string | null)[];
}

/** The same array when nothing is to change. */
export function decideNear({ near, readers, nodes, primaries }: NearInput): readonly string[] {
  const stateOf = (id: string): PlaceNode['state'] | undefined =>
    nodes.find((node) => node.id === id)?.state;
  // It led because others were away, and is to hand over first.
  const leads = (id: string): boolean => primaries.includes(id);
  const mayStay = (id: string): boolean =>
    readers.includes(id) && ['ready', 'suspect', 'lost'].includes(stateOf(id) ?? '');
  const stay = near.filter((id) => mayStay(id) || (leads(id) && stateOf(id) !== undefined));
  const come = readers.filter((id) => stateOf(id) === 'ready' && !stay.includes(id)).toSorted();
  const next = [...stay, ...come.slice(0, Math.max(0, NEAR_COPIES_MAX - stay.length))];
  return next.join(' ') === near.join(' ') ? near : next;
}

/** How large one copy of everything is; undefined while that is not known of every stripe. `copies` are all that are known of. */
export function bytesOf(
  stripes: number,
  copies: readonly Pick<StripeState, 'number' | 'fileBytes'>[],
): number | undefined {
  const largest = new Map<number, number>();
  for (const { number, fileBytes } of copies)
    largest.set(number, Math.max(fileBytes, largest.get(number) ?? 0));
  if (largest.size < stripes) return undefined;
  return [...largest.values()].reduce((sum, bytes) => sum + bytes, 0);
}
