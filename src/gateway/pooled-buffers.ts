/** Buffers in which bytes wait to be written, used again and again: the one that came back last first, so that it is in the processor's cache. */

export interface Pooled {
  readonly bytes: Buffer;
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
  const pooled: Pooled = {
    bytes: Buffer.allocUnsafeSlow(POOLED_BYTES),
    give: () => {
      if (pool.length < POOLED_MAX) pool.push(pooled);
    },
  };
  return pooled;
}
