/** A time as people say it, with the exact one in the title. */
import type { VNode } from 'preact';
import { formatDuration, isoTime } from '../../base/time.ts';
import { formatAbsolute, formatAgo } from './format.ts';
import { useNow } from './time-hooks.ts';

/** `3 min ago`. */
export function Ago(props: { readonly at: number | undefined }): VNode {
  const now = useNow();
  if (props.at === undefined || props.at === 0) return <span class="quiet">never</span>;
  return (
    <time dateTime={isoTime(props.at)} title={formatAbsolute(props.at)}>
      {formatAgo(props.at, now)}
    </time>
  );
}

/** `3 min`: how long something lasts since then. */
export function Since(props: { readonly at: number }): VNode {
  const now = useNow();
  return (
    <time dateTime={isoTime(props.at)} title={`since ${formatAbsolute(props.at)}`}>
      {formatDuration(Math.max(0, now - props.at))}
    </time>
  );
}
