/** On every page while no manager answers: what is shown is this node's copy, and nothing can be changed. */
import type { VNode } from 'preact';
import type { Status } from '../../api/model.ts';
import { ShapeOf } from './state-mark.tsx';

export function Banner(props: { readonly status: Status | undefined }): VNode {
  const { status } = props;
  const isAway = status?.registry.isLive === false;
  return (
    <div class="banner" role="alert">
      {isAway ? (
        <div class="banner-inner">
          <svg width="16" height="16" viewBox="0 0 12 12" aria-hidden="true">
            <ShapeOf shape="triangle" />
          </svg>
          <p>
            <strong>What is shown may be old, and changes wait.</strong> {status.managers}.{' '}
            <a href="/nodes#managers">Managers</a>
          </p>
        </div>
      ) : null}
    </div>
  );
}
