/** Where regions, node cards and instance chips stand in the picture. Pure; one unit is one pixel. */

export interface Chip {
  readonly key: string;
  readonly app: string;
  readonly text: string;
  readonly state: string;
}

export interface TopologyNode {
  readonly name: string;
  readonly region: string;
  readonly state: string;
  /** What else is said of it in a few words: `Leader`, `CPU 12 %`. */
  readonly notes: readonly string[];
  readonly chips: readonly Chip[];
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface PlacedNode extends Box {
  readonly node: TopologyNode;
  readonly chips: readonly (Box & { readonly chip: Chip })[];
  readonly more: number;
}

export interface PlacedRegion extends Box {
  readonly name: string;
  readonly nodes: number;
  /** How many of its nodes get requests: those that are ready, and those that are drained. */
  readonly serving: number;
}

export interface Topology {
  readonly height: number;
  readonly entry: Box;
  readonly regions: readonly PlacedRegion[];
  readonly nodes: readonly PlacedNode[];
}

const GAP = 16;
const ENTRY = { width: 190, height: 34 };
/** Between the entry and the regions: room for the links. */
const LINKS_HEIGHT = 40;
const REGION_HEAD = 32;
const REGION_PADDING = 12;
const CARD_GAP = 12;
const CARD_HEAD = 58;
/** Narrower cards cut names and chips; wider ones are empty on the right. */
const CARD_WIDTH = { least: 188, most: 440 };
const CARD_PADDING = 12;
const CHIP = { width: 116, height: 26, gap: 8 };
/** More chips than this on one card are counted instead of drawn. */
const CHIPS_MAX = 24;
const SERVING: readonly string[] = ['ready', 'draining'];

interface Group {
  readonly name: string;
  readonly nodes: readonly TopologyNode[];
}

/** Pure: the regions in the order of their names. */
function groupsOf(nodes: readonly TopologyNode[]): readonly Group[] {
  const names = [...new Set(nodes.map((node) => node.region))].toSorted();
  return names.map((name) => ({ name, nodes: nodes.filter((node) => node.region === name) }));
}

/** What is left for cards in a row of so many regions with so many columns together. */
function roomForCards(width: number, regions: number, columns: number): number {
  const frames = regions * 2 * REGION_PADDING + (regions - 1) * GAP;
  return width - frames - (columns - regions) * CARD_GAP;
}

/** As many columns as stay readable. */
function columnsThatFit(width: number, regions: number): number {
  let columns = regions;
  while (roomForCards(width, regions, columns + 1) / (columns + 1) >= CARD_WIDTH.least) columns++;
  return columns;
}

/** Regions side by side while each has room for a column, in rows of about equal length otherwise. */
function rowsOf(groups: readonly Group[], width: number): readonly (readonly Group[])[] {
  let most = 1;
  while (roomForCards(width, most + 1, most + 1) / (most + 1) >= CARD_WIDTH.least) most++;
  const rows = Math.ceil(groups.length / most);
  const perRow = Math.ceil(groups.length / Math.max(1, rows));
  return Array.from({ length: rows }, (_, row) => groups.slice(row * perRow, (row + 1) * perRow));
}

/** Columns for each region of a row: the one that would be the tallest gets the next. */
function shareColumns(groups: readonly Group[], columns: number): readonly number[] {
  const shares = groups.map(() => 1);
  for (let left = columns - groups.length; left > 0; left--) {
    const depths = groups.map(({ nodes }, index) => nodes.length / (shares[index] ?? 1));
    const tallest = depths.indexOf(Math.max(...depths));
    if ((depths[tallest] ?? 1) <= 1) break;
    shares[tallest] = (shares[tallest] ?? 1) + 1;
  }
  return shares;
}

function placeNode(node: TopologyNode, at: { x: number; y: number; width: number }): PlacedNode {
  const room = at.width - 2 * CARD_PADDING;
  const perRow = Math.max(1, Math.floor((room + CHIP.gap) / (CHIP.width + CHIP.gap)));
  const width = (room - (perRow - 1) * CHIP.gap) / perRow;
  const drawn = node.chips.slice(0, CHIPS_MAX);
  const chips = drawn.map((chip, index) => ({
    chip,
    x: at.x + CARD_PADDING + (index % perRow) * (width + CHIP.gap),
    y: at.y + CARD_HEAD + Math.floor(index / perRow) * (CHIP.height + CHIP.gap),
    width,
    height: CHIP.height,
  }));
  const rows = Math.max(1, Math.ceil(drawn.length / perRow));
  return {
    node,
    chips,
    more: node.chips.length - drawn.length,
    ...at,
    height: CARD_HEAD + rows * (CHIP.height + CHIP.gap) + 4,
  };
}

/** The cards of a region below its name; those side by side are equally high. */
function placeRegion(
  group: Group,
  at: { readonly x: number; readonly y: number },
  cards: { readonly columns: number; readonly width: number },
): { readonly region: PlacedRegion; readonly nodes: readonly PlacedNode[] } {
  const placed: PlacedNode[] = [];
  let y = at.y + REGION_HEAD;
  for (let first = 0; first < group.nodes.length; first += cards.columns) {
    const line = group.nodes.slice(first, first + cards.columns).map((node, index) =>
      placeNode(node, {
        x: at.x + REGION_PADDING + index * (cards.width + CARD_GAP),
        y,
        width: cards.width,
      }),
    );
    const height = Math.max(...line.map((card) => card.height));
    placed.push(...line.map((card) => ({ ...card, height })));
    y += height + CARD_GAP;
  }
  const width = 2 * REGION_PADDING + cards.columns * (cards.width + CARD_GAP) - CARD_GAP;
  const serving = group.nodes.filter((node) => SERVING.includes(node.state)).length;
  const { name, nodes } = group;
  const box = { ...at, width, height: y - at.y };
  return { region: { name, nodes: nodes.length, serving, ...box }, nodes: placed };
}

/** In a row of regions all cards are equally wide and all regions equally high; the row stands in the middle. */
export function layoutTopology(nodes: readonly TopologyNode[], width: number): Topology {
  const entry = { x: (width - ENTRY.width) / 2, y: 0, ...ENTRY };
  const regions: PlacedRegion[] = [];
  const placed: PlacedNode[] = [];
  let top = ENTRY.height + LINKS_HEIGHT;
  for (const row of rowsOf(groupsOf(nodes), width)) {
    const shares = shareColumns(row, columnsThatFit(width, row.length));
    const columns = shares.reduce((sum, share) => sum + share, 0);
    const room = roomForCards(width, row.length, columns);
    const cardWidth = Math.min(CARD_WIDTH.most, room / columns);
    let x = (room - columns * cardWidth) / 2;
    const line = row.map((group, index) => {
      const cards = { columns: shares[index] ?? 1, width: cardWidth };
      const one = placeRegion(group, { x, y: top }, cards);
      placed.push(...one.nodes);
      x += one.region.width + GAP;
      return one.region;
    });
    const height = Math.max(...line.map((region) => region.height));
    regions.push(...line.map((region) => ({ ...region, height })));
    top += height + GAP;
  }
  return { height: top - GAP + 2, entry, regions, nodes: placed };
}

/** Width of a link that carries `rate` requests a second: grows with the logarithm, never vanishes. */
export function linkWidth(rate: number): number {
  return Math.min(9, 1.5 + Math.log10(1 + Math.max(0, rate)) * 2.5);
}
