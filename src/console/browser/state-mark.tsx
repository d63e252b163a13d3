/** A state as shape and word together. */
import type { VNode } from 'preact';
import type { Shape } from './wording.ts';
import { wordingOf } from './wording.ts';

/** Drawn in a box of 12 by 12. */
const SHAPES: Readonly<Record<Shape, VNode>> = {
  disc: <circle cx="6" cy="6" r="4.5" />,
  half: (
    <>
      <circle class="outline" cx="6" cy="6" r="4.25" />
      <path d="M6 1.5a4.5 4.5 0 0 1 0 9z" />
    </>
  ),
  triangle: <path d="M6 1.2 11.3 10.8H.7z" />,
  cross: (
    <path d="M2.6 1.2 6 4.6 9.4 1.2 10.8 2.6 7.4 6l3.4 3.4-1.4 1.4L6 7.4l-3.4 3.4-1.4-1.4L4.6 6 1.2 2.6z" />
  ),
  square: <rect x="2" y="2" width="8" height="8" rx="1" />,
  ring: <circle class="outline" cx="6" cy="6" r="4" />,
};

export function ShapeOf(props: { readonly shape: Shape }): VNode {
  return SHAPES[props.shape];
}

/** The shape alone, for where the word stands beside it anyway. */
export function StateIcon(props: { readonly state: string; readonly large?: boolean }): VNode {
  const { shape, tone } = wordingOf(props.state);
  const size = props.large === true ? 20 : 12;
  return (
    <svg
      class={`state-icon tone-${tone}`}
      width={size}
      height={size}
      viewBox="0 0 12 12"
      aria-hidden="true"
    >
      <ShapeOf shape={shape} />
    </svg>
  );
}

export function StateMark(props: { readonly state: string }): VNode {
  const { word, tone } = wordingOf(props.state);
  return (
    <span class={`state tone-${tone}`}>
      <StateIcon state={props.state} />
      {word}
    </span>
  );
}
