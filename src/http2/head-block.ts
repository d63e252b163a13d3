/** HEADERS and the CONTINUATION frames behind it, as one block (RFC 9113 4.3, 6.10). */
import { ERROR, FLAG } from './codes.ts';
import { H2Error } from './h2-error.ts';

export interface BlockLimits {
  /** Of a block in several frames. */
  readonly blockBytesMax: number;
  readonly continuationsMax: number;
}

const PRIORITY_BYTES = 5;

export class HeadBlock {
  /** Whose block is not all there; 0: none. */
  streamId = 0;
  endsStream = false;
  private parts: Buffer[] = [];
  private size = 0;

  begin(streamId: number, flags: number, part: Buffer): void {
    this.streamId = streamId;
    this.endsStream = (flags & FLAG.endStream) !== 0;
    this.parts = [Buffer.from(part)];
    this.size = part.length;
  }

  /** Throws H2Error ENHANCE_YOUR_CALM: such a block is not meant to end (CVE-2024-27983). */
  add(part: Buffer, limits: BlockLimits): void {
    this.size += part.length;
    this.parts.push(Buffer.from(part));
    if (this.size > limits.blockBytesMax || this.parts.length > limits.continuationsMax + 1) {
      throw new H2Error(ERROR.enhanceYourCalm, 'A head goes on without end');
    }
  }

  /** All of it. */
  take(): Buffer {
    const block = Buffer.concat(this.parts);
    this.parts = [];
    this.streamId = 0;
    return block;
  }
}

/** How many bytes of padding there are at the end; 0 without the flag. Throws H2Error when there are not so many. */
export function paddingOf(flags: number, bytes: Buffer, from: number, to: number): number {
  if ((flags & FLAG.padded) === 0) return 0;
  if (from === to) throw new H2Error(ERROR.frameSize, 'A padded frame is empty');
  const padding = bytes[from] ?? 0;
  if (padding >= to - from)
    throw new H2Error(ERROR.protocol, 'The padding is longer than its frame');
  return padding;
}

/** The fragment of a HEADERS frame. Priorities say nothing any more (RFC 9113 5.3.2). Throws H2Error. */
export function fragmentOf(
  flags: number,
  bytes: Buffer,
  from: number,
  to: number,
): { readonly from: number; readonly to: number } {
  const end = to - paddingOf(flags, bytes, from, to);
  let at = (flags & FLAG.padded) === 0 ? from : from + 1;
  if ((flags & FLAG.priority) !== 0) at += PRIORITY_BYTES;
  if (at > end) throw new H2Error(ERROR.frameSize, 'HEADERS is too short for what it says');
  return { from: at, to: end };
}
