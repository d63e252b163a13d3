/**
 * Which stripe is to be led by another node next. Pure, and one move at a time. A stripe moves because somebody asked for it, because its
 * primary is to go, or because another node leads fewer: never for less, and every such move makes the load more even, so they come to an end.
 */
import { isEvener, type PlaceNode } from './places.ts';
import type { AskedLead, DatabaseRecord } from './records.ts';

export interface LeadsInput {
  readonly record: Pick<DatabaseRecord, 'copies'>;
  /** Ids, by stripe; see `PlacesRecord`. */
  readonly places: readonly (readonly string[])[];
  readonly asked: readonly AskedLead[];
  /** Who leads, by stripe; null: nobody, which is no matter of planned moves. */
  readonly primaries: readonly (string | null)[];
  /** Stripes that each node leads, of all databases. */
  readonly totals: ReadonlyMap<string, number>;
  readonly nodes: readonly (PlaceNode & { readonly name: string })[];
  /** Whether that copy has all that the log has, or nearly. */
  readonly isCurrent: (stripe: number, node: string) => boolean;
}

export interface StripeMove {
  readonly stripe: number;
  /** Ids. */
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

export function decideMove(input: LeadsInput): StripeMove | undefined {
  return asked(input) ?? leaving(input) ?? evener(input);
}

function asked(input: LeadsInput): StripeMove | undefined {
  for (const { stripe, node, by } of input.asked) {
    const from = input.primaries[stripe] ?? null;
    if (from === null || from === node || !mayLead(input, stripe, node)) continue;
    return { stripe, from, to: node, why: `${by} asked for it` };
  }
  return undefined;
}

/** The primary's node is to hold nothing any more, or its copy is to go. */
function leaving(input: LeadsInput): StripeMove | undefined {
  const { primaries, nodes, totals } = input;
  for (const [stripe, from] of primaries.entries()) {
    const node = nodes.find(({ id }) => id === from);
    if (from === null || node === undefined) continue;
    const drains = node.state === 'draining';
    if (!drains && (staying(input, stripe).includes(from) || isSilent(node))) continue;
    const to = staying(input, stripe)
      .filter((id) => id !== from && mayLead(input, stripe, id))
      .toSorted((a, b) => led(input, a) - led(input, b) || get(totals, a) - get(totals, b))[0];
    if (to === undefined) continue;
    const why = drains ? `${node.name} is drained` : `its copy on ${node.name} goes`;
    return { stripe, from, to, why };
  }
  return undefined;
}

function evener(input: LeadsInput): StripeMove | undefined {
  const { primaries, totals, nodes } = input;
  let best: { readonly move: StripeMove; readonly gain: readonly [number, number] } | undefined;
  for (const [stripe, from] of primaries.entries()) {
    const node = nodes.find(({ id }) => id === from);
    if (from === null || node?.state !== 'ready' || isAsked(input, stripe, from)) continue;
    for (const to of staying(input, stripe)) {
      if (to === from || !mayLead(input, stripe, to)) continue;
      const [of, all] = [
        led(input, from) - led(input, to),
        get(totals, from) - get(totals, to),
      ] as const;
      if (!isEvener(of, all) || (best !== undefined && !isMore([of, all], best.gain))) continue;
      const name = nodes.find(({ id }) => id === to)?.name ?? to;
      const why =
        of >= 2
          ? `${node.name} led ${led(input, from)} stripes of it, ${name} ${led(input, to)}`
          : `${node.name} led ${get(totals, from)} stripes, ${name} ${get(totals, to)}`;
      best = { move: { stripe, from, to, why }, gain: [of, all] };
    }
  }
  return best?.move;
}

function isMore(one: readonly [number, number], other: readonly [number, number]): boolean {
  return one[0] > other[0] || (one[0] === other[0] && one[1] > other[1]);
}

function staying({ record, places }: LeadsInput, stripe: number): readonly string[] {
  return (places[stripe] ?? []).slice(0, record.copies);
}

function mayLead({ nodes, places, isCurrent }: LeadsInput, stripe: number, id: string): boolean {
  const isThere = places[stripe]?.includes(id) === true;
  const isReady = nodes.find((node) => node.id === id)?.state === 'ready';
  return isThere && isReady && isCurrent(stripe, id);
}

function isAsked({ asked: wishes }: LeadsInput, stripe: number, node: string): boolean {
  return wishes.some((one) => one.stripe === stripe && one.node === node);
}

/** Whoever is not heard is replaced when its lease has ended, not by a move. */
function isSilent({ state }: PlaceNode): boolean {
  return state === 'suspect' || state === 'lost';
}

function led({ primaries }: LeadsInput, node: string): number {
  return primaries.filter((one) => one === node).length;
}

function get(counts: ReadonlyMap<string, number>, node: string): number {
  return counts.get(node) ?? 0;
}
