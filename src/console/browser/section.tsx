/** A titled part of a page, with the command that shows or does the same. */
import type { ComponentChildren, VNode } from 'preact';
import { Command } from './command.tsx';

export function Section(props: {
  readonly id: string;
  readonly title: string;
  readonly command?: string;
  readonly tools?: ComponentChildren;
  readonly children?: ComponentChildren;
}): VNode {
  return (
    <section class="panel" aria-labelledby={props.id}>
      <header class="panel-head">
        <h2 id={props.id}>{props.title}</h2>
        {props.tools}
        {props.command === undefined ? null : <Command text={props.command} />}
      </header>
      {props.children}
    </section>
  );
}
