/** The live picture: visitors above, regions with their nodes below, instances as chips that lead to their app. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Box, PlacedNode, TopologyNode } from './topology-layout.ts';
import { count, formatNumber } from './format.ts';
import { appPath } from './router.ts';
import { ShapeOf } from './state-mark.tsx';
import { layoutTopology, linkWidth } from './topology-layout.ts';
import { wordingOf } from './wording.ts';

/** Narrower than this the picture scrolls instead of breaking. */
const WIDTH_LEAST_PX = 280;
/** Rough width of a letter at the size of chips: SVG cannot clip text with an ellipsis. */
const LETTER_PX = 6.9;

function clip(text: string, widthPx: number): string {
  const letters = Math.floor(widthPx / LETTER_PX);
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

function NodeCard(props: { readonly card: PlacedNode }): VNode {
  const { card } = props;
  const { word } = wordingOf(card.node.state);
  return (
    <g>
      <rect class="node-card" {...box(card)} rx={8} />
      <Icon state={card.node.state} x={card.x + 12} y={card.y + 13} />
      <text class="node-name" x={card.x + 30} y={card.y + 23}>
        {clip(card.node.name, card.width - 110)}
      </text>
      <text class="node-word" x={card.x + card.width - 12} y={card.y + 23} text-anchor="end">
        {card.more > 0 ? `${word}, ${card.more} more` : word}
      </text>
      {card.chips.length === 0 ? (
        <text class="node-word" x={card.x + 12} y={card.y + 54}>
          No app runs here
        </text>
      ) : null}
      {card.chips.map(({ chip, ...place }) => (
        <a
          key={chip.key}
          href={appPath(chip.app)}
          aria-label={`${chip.text}, ${wordingOf(chip.state).word}`}
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
  const share = props.requestsPerSecond / Math.max(1, props.nodes.length);
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
          <g key={region.name}>
            <rect class="region" {...box(region)} rx={12} />
            <text class="region-name" x={region.x + 14} y={region.y + 20}>
              Region {region.name}
            </text>
          </g>
        ))}
        {layout.nodes.map((card) => (
          <path
            key={card.node.name}
            class="link"
            d={link(layout.entry, card)}
            stroke-width={linkWidth(share)}
          />
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
