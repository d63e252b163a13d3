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

export interface Topology {
  readonly height: number;
  readonly entry: Box;
  readonly regions: readonly (Box & { readonly name: string })[];
  readonly nodes: readonly PlacedNode[];
}

const GAP = 16;
const ENTRY = { width: 190, height: 34 };
/** Between the entry and the regions: room for the links. */
const LINKS_HEIGHT = 44;
const REGION_HEAD = 30;
const CARD_HEAD = 38;
const CARD_WIDTH_LEAST = 250;
const CHIP = { width: 116, height: 26, gap: 8 };
/** More chips than this on one card are counted instead of drawn. */
const CHIPS_MAX = 24;

function placeNode(node: TopologyNode, at: { x: number; y: number; width: number }): PlacedNode {
  const perRow = Math.max(1, Math.floor((at.width - 24 + CHIP.gap) / (CHIP.width + CHIP.gap)));
  const width = (at.width - 24 - (perRow - 1) * CHIP.gap) / perRow;
  const drawn = node.chips.slice(0, CHIPS_MAX);
  const chips = drawn.map((chip, index) => ({
    chip,
    x: at.x + 12 + (index % perRow) * (width + CHIP.gap),
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
    height: CARD_HEAD + rows * (CHIP.height + CHIP.gap) + 8,
  };
}

/** Regions stand side by side while cards stay readable, below one another otherwise. */
export function layoutTopology(nodes: readonly TopologyNode[], width: number): Topology {
  const names = [...new Set(nodes.map((node) => node.region))].toSorted();
  const perRow = Math.max(
    1,
    Math.min(names.length, Math.floor((width + GAP) / (CARD_WIDTH_LEAST + 24 + GAP))),
  );
  const regionWidth = (width - (perRow - 1) * GAP) / perRow;
  const entry = { x: (width - ENTRY.width) / 2, y: 0, ...ENTRY };
  const regions: (Box & { name: string })[] = [];
  const placed: PlacedNode[] = [];
  let rowTop = ENTRY.height + LINKS_HEIGHT;
  for (let row = 0; row * perRow < names.length; row++) {
    let rowHeight = 0;
    names.slice(row * perRow, (row + 1) * perRow).forEach((name, column) => {
      const x = column * (regionWidth + GAP);
      const own = nodes.filter((node) => node.region === name);
      const cardsPerRow = Math.max(1, Math.floor((regionWidth - 24) / (CARD_WIDTH_LEAST + 12)));
      const cards = Math.min(cardsPerRow, own.length);
      const cardWidth = (regionWidth - 24 - (cards - 1) * 12) / cards;
      let y = rowTop + REGION_HEAD;
      for (let first = 0; first < own.length; first += cards) {
        const line = own
          .slice(first, first + cards)
          .map((node, index) =>
            placeNode(node, { x: x + 12 + index * (cardWidth + 12), y, width: cardWidth }),
          );
        placed.push(...line);
        y += Math.max(...line.map((card) => card.height)) + 12;
      }
      regions.push({ name, x, y: rowTop, width: regionWidth, height: y - rowTop });
      rowHeight = Math.max(rowHeight, y - rowTop);
    });
    rowTop += rowHeight + GAP;
  }
  return { height: rowTop - GAP + 2, entry, regions, nodes: placed };
}

/** Width of a link that carries `rate` requests a second: grows with the logarithm, never vanishes. */
export function linkWidth(rate: number): number {
  return Math.min(9, 1.5 + Math.log10(1 + Math.max(0, rate)) * 2.5);
}
