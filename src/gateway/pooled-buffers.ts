/** Buffers in which bytes wait to be written, used again and again: the one that came back last first, so that it is in the processor's cache. */

export interface Pooled {
  readonly bytes: Buffer;
  /** The first of them. Those of one site are often as many, and a view is dearer than the bytes. */
  first(size: number): Buffer;
  /** Its bytes are not needed any more. */
  readonly give: () => void;
}

/** Room for the largest read and what is gathered before it. */
const POOLED_BYTES: number = 96 * 1024;
/** Kept for reuse: 6 MiB in all. */
const POOLED_MAX = 64;

const pool: Pooled[] = [];

export function takePooled(): Pooled {
  return pool.pop() ?? newPooled();
}

function newPooled(): Pooled {
  const bytes = Buffer.allocUnsafeSlow(POOLED_BYTES);
  let view = bytes;
  const pooled: Pooled = {
    bytes,
    first: (size) => {
      if (view.length !== size) view = bytes.subarray(0, size);
      return view;
    },
    give: () => {
      if (pool.length < POOLED_MAX) pool.push(pooled);
    },
  };
  return pooled;
}
