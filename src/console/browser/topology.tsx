/** The live picture: visitors above, regions with their nodes below, instances as chips that lead to their app. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Box, PlacedNode, PlacedRegion, TopologyNode } from './topology-layout.ts';
import { count, formatNumber } from './format.ts';
import { appPath, nodePath } from './router.ts';
import { ShapeOf } from './state-mark.tsx';
import { layoutTopology, linkWidth } from './topology-layout.ts';
import { wordingOf } from './wording.ts';

/** Narrower than this the picture scrolls instead of breaking. */
const WIDTH_LEAST_PX = 280;
/** Rough widths of letters at the size of chips, names and small words: SVG cannot clip text with an ellipsis. */
const LETTER_PX = 6.9;
const NAME_LETTER_PX = 8.2;
const WORD_LETTER_PX = 6.1;

function clip(text: string, widthPx: number, letterPx: number = LETTER_PX): string {
  const letters = Math.floor(widthPx / letterPx);
  return text.length <= letters ? text : `${text.slice(0, Math.max(1, letters - 1))}…`;
}

function link(from: Box, to: Box): string {
  const x1 = from.x + from.width / 2;
  const y1 = from.y + from.height;
  const x2 = to.x + to.width / 2;
  const middle = (y1 + to.y) / 2;
  return `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${to.y}`;
}

function Icon(props: { readonly state: string; readonly x: number; readonly y: number }): VNode {
  const { shape, tone } = wordingOf(props.state);
  return (
    <g class={`state-icon tone-${tone}`} transform={`translate(${props.x} ${props.y})`}>
      <ShapeOf shape={shape} />
    </g>
  );
}

function RegionFrame(props: { readonly region: PlacedRegion }): VNode {
  const { region } = props;
  const all = region.serving === region.nodes;
  const words = all ? count(region.nodes, 'node') : `${region.serving} of ${region.nodes} serve`;
  const nameRoomPx = region.width - 44 - words.length * WORD_LETTER_PX;
  return (
    <g>
      <rect class="region" {...box(region)} rx={12} />
      <text class="region-name" x={region.x + 14} y={region.y + 21}>
        {clip(`Region ${region.name}`, nameRoomPx, NAME_LETTER_PX)}
      </text>
      <text class="node-word" x={region.x + region.width - 14} y={region.y + 21} text-anchor="end">
        {words}
      </text>
    </g>
  );
}

/** The name, which leads to the node's page, and below it how the node is. */
function CardHead(props: { readonly card: PlacedNode }): VNode {
  const { node, x, y, width, more } = props.card;
  const { word, tone } = wordingOf(node.state);
  const words = [word, ...node.notes, ...(more > 0 ? [`${more} more`] : [])];
  return (
    <a href={nodePath(node.name)} aria-label={`${node.name}, ${words.join(', ')}`}>
      <title>{`${node.name}: ${words.join(', ')}`}</title>
      <rect class="node-head" x={x + 4} y={y + 4} width={width - 8} height={46} rx={6} />
      <Icon state={node.state} x={x + 12} y={y + 14} />
      <text class="node-name" x={x + 31} y={y + 24}>
        {clip(node.name, width - 40, NAME_LETTER_PX)}
      </text>
      <text class={tone === 'good' ? 'node-word' : `node-word tone-${tone}`} x={x + 31} y={y + 42}>
        {clip(words.join(' · '), width - 36, WORD_LETTER_PX)}
      </text>
    </a>
  );
}

function NodeCard(props: { readonly card: PlacedNode }): VNode {
  const { card } = props;
  const { tone } = wordingOf(card.node.state);
  return (
    <g>
      <rect class={`node-card tone-${tone}`} {...box(card)} rx={8} />
      <CardHead card={card} />
      {card.chips.length === 0 ? (
        <text class="node-word" x={card.x + 12} y={card.y + 75}>
          No app runs here
        </text>
      ) : null}
      {card.chips.map(({ chip, ...place }) => (
        <a
          key={chip.key}
          href={appPath(chip.app)}
          aria-label={`${chip.text} on ${card.node.name}, ${wordingOf(chip.state).word}`}
        >
          <title>{`${chip.key}: ${wordingOf(chip.state).word}`}</title>
          <rect class={`chip tone-${wordingOf(chip.state).tone}`} {...box(place)} rx={13} />
          <Icon state={chip.state} x={place.x + 9} y={place.y + 7} />
          <text class="chip-text" x={place.x + 27} y={place.y + 17}>
            {clip(chip.text, place.width - 34)}
          </text>
        </a>
      ))}
    </g>
  );
}

function box(place: Box): Box {
  return { x: place.x, y: place.y, width: place.width, height: place.height };
}

export function TopologyPicture(props: {
  readonly nodes: readonly TopologyNode[];
  readonly requestsPerSecond: number;
}): VNode {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(900);
  useEffect(() => {
    if (frame.current === null) return;
    const measure = (): void => {
      setWidth(Math.max(WIDTH_LEAST_PX, Math.floor(frame.current?.clientWidth ?? 900)));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(frame.current);
    measure();
    return () => observer.disconnect();
  }, []);
  const layout = layoutTopology(props.nodes, width);
  const serving = layout.regions.reduce((sum, region) => sum + region.serving, 0);
  const rateOf = (region: PlacedRegion): number =>
    (props.requestsPerSecond * region.serving) / Math.max(1, serving);
  const instances = props.nodes.reduce((sum, node) => sum + node.chips.length, 0);
  return (
    <div class="topology" ref={frame}>
      <svg
        width={width}
        height={layout.height}
        role="group"
        aria-label={`${count(props.nodes.length, 'node')} with ${count(instances, 'instance')}`}
      >
        {layout.regions.map((region) => (
          <path
            key={region.name}
            class={region.serving === 0 ? 'link none' : 'link'}
            d={link(layout.entry, region)}
            stroke-width={linkWidth(rateOf(region))}
          />
        ))}
        {layout.regions.map((region) => (
          <RegionFrame key={region.name} region={region} />
        ))}
        <rect class="entry" {...layout.entry} rx={17} />
        <text
          class="entry-text"
          x={layout.entry.x + layout.entry.width / 2}
          y={layout.entry.y + 22}
          text-anchor="middle"
        >
          Visitors · {formatNumber(props.requestsPerSecond)} req/s
        </text>
        {layout.nodes.map((card) => (
          <NodeCard key={card.node.name} card={card} />
        ))}
      </svg>
    </div>
  );
}
