/**
 * What is beneath `node:net`: the handles that sockets have, and what their writes say. Node does not document it, so it is
 * looked at here alone, and whoever uses it does without when it is not as expected.
 */

/** Of one write that the kernel does not take at once. */
export interface WriteRequest {
  bytes?: Uint8Array | readonly Uint8Array[] | undefined;
  oncomplete?: (status: number) => void;
}

export interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  /** What the last call of a handle said, at the places below. */
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

interface WithBinding {
  binding?(name: string): unknown;
}

/** Undefined when this Node has no such module. */
export function nodeBinding(name: string): unknown {
  try {
    return (process as unknown as WithBinding).binding?.(name);
  } catch (error) {
    // "No such module", in a Node that has done away with it.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

let proven: StreamBinding | undefined;

/** Undefined until `proveHandles` has tried it. */
export function provenBinding(): StreamBinding | undefined {
  return proven;
}

export function trust(binding: StreamBinding | undefined): void {
  proven = binding;
}

/** Undefined when it does not look as expected. */
export function streamBinding(): StreamBinding | undefined {
  const found = nodeBinding('stream_wrap') as Partial<StreamBinding> | undefined;
  const isThere =
    typeof found?.WriteWrap === 'function' &&
    found.streamBaseState instanceof Int32Array &&
    found.kReadBytesOrError !== undefined &&
    found.kLastWriteWasAsync !== undefined;
  return isThere ? (found as StreamBinding) : undefined;
}
