/** How much of what there is is used: bars with their numbers, large and small. */
import type { VNode } from 'preact';
import type { NodeStatus } from '../../api/model.ts';
import { formatBytes } from '../../base/units.ts';
import { count, formatPercent } from './format.ts';

/** Capacity used beyond this is worth a word. */
const FULL_RATIO = 0.9;
const METER_WIDTH_PX = 44;

function Bar(props: {
  readonly label: string;
  readonly ratio: number;
  readonly text: string;
  /** What a nearly full bar says. */
  readonly fullWord?: string;
}): VNode {
  const ratio = Math.min(1, Math.max(0, props.ratio));
  const full = ratio > FULL_RATIO;
  return (
    <div class="bar">
      <span class="bar-label">{props.label}</span>
      <svg class="bar-track" height="8" width="100%" aria-hidden="true">
        <rect class="bar-rest" width="100%" height="8" rx="4" />
        <rect
          class={full ? 'bar-used full' : 'bar-used'}
          width={`${ratio * 100}%`}
          height="8"
          rx="4"
        />
      </svg>
      <span class="bar-text">
        {full ? `${props.fullWord ?? 'Nearly full'}: ` : ''}
        {props.text}
      </span>
    </div>
  );
}

/** Of these nodes together. */
export function CapacityBars(props: {
  readonly nodes: readonly Pick<NodeStatus, 'cpu' | 'memory' | 'disk'>[];
}): VNode {
  const { nodes } = props;
  const sum = (pick: (node: (typeof nodes)[number]) => number): number =>
    nodes.reduce((total, node) => total + pick(node), 0);
  const cores = sum((node) => node.cpu.cores);
  const busy = sum((node) => node.cpu.cores * node.cpu.usedRatio);
  const memory = sum((node) => node.memory.totalBytes);
  const memoryUsed = sum((node) => node.memory.usedBytes);
  const disk = sum((node) => node.disk.totalBytes);
  const diskUsed = disk - sum((node) => node.disk.freeBytes);
  return (
    <>
      <Bar
        label="CPU"
        fullWord="Busy"
        ratio={ratioOf(busy, cores)}
        text={`${formatPercent(ratioOf(busy, cores))} of ${count(cores, 'core')}`}
      />
      <Bar
        label="Memory"
        ratio={ratioOf(memoryUsed, memory)}
        text={`${formatBytes(memoryUsed)} of ${formatBytes(memory)}`}
      />
      <Bar
        label="Disk"
        ratio={ratioOf(diskUsed, disk)}
        text={`${formatBytes(diskUsed)} of ${formatBytes(disk)}`}
      />
    </>
  );
}

/** For a cell of a table: the number, and a bar that says the same. Without a total nothing is known. */
export function Meter(props: {
  readonly used: number;
  readonly total: number;
  readonly text: string;
}): VNode {
  const { used, total, text } = props;
  if (total === 0) return <span class="quiet">–</span>;
  const ratio = ratioOf(used, total);
  return (
    <span class="meter">
      {text}
      <svg width={METER_WIDTH_PX} height="6" aria-hidden="true">
        <rect class="bar-rest" width={METER_WIDTH_PX} height="6" rx="3" />
        <rect
          class={ratio > FULL_RATIO ? 'bar-used full' : 'bar-used'}
          width={ratio * METER_WIDTH_PX}
          height="6"
          rx="3"
        />
      </svg>
    </span>
  );
}

function ratioOf(used: number, total: number): number {
  return total === 0 ? 0 : Math.min(1, Math.max(0, used / total));
}
