/** Named limits of the wire codec; all in bytes unless the name says otherwise. */

export interface HeadLimits {
  /** Start line, fields and the empty line together: 431 (or 414) beyond it. Below 16 MiB. */
  readonly headBytesMax: number;
  /** Fields of one head: 431 beyond it. */
  readonly headersMax: number;
  /** Request target: 414 beyond it. */
  readonly targetBytesMax: number;
}

export const DEFAULT_HEAD_LIMITS: HeadLimits = {
  headBytesMax: 32 * 1024,
  headersMax: 100,
  targetBytesMax: 8 * 1024,
};

/** Heads of answers come from the operator's own upstreams: more room, still bounded. */
export const RESPONSE_HEAD_LIMITS: HeadLimits = {
  headBytesMax: 64 * 1024,
  headersMax: 200,
  targetBytesMax: 8 * 1024,
};

/** A chunk-size line with its extensions; extensions are read and thrown away. */
export const CHUNK_LINE_BYTES_MAX = 1024;

/** Extension bytes over one whole body, against a peer that sends nothing but extensions. */
export const CHUNK_EXTENSION_BYTES_MAX = 16_384;

/** The trailer section of a chunked body. */
export const TRAILER_LIMITS: HeadLimits = {
  headBytesMax: 8 * 1024,
  headersMax: 50,
  targetBytesMax: 0,
};

/** A method is a short word in capitals. */
export const METHOD_BYTES_MAX = 32;
