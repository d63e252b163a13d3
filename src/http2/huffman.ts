/** The Huffman code of RFC 7541 5.2 and appendix B, for bytes. */

/** Bits of each byte's code. The code is canonical, so that nothing else needs to be written down. */
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
/** The end of a string, which is never sent: its first bits are the padding. */
const END_BITS = 30;
const END = 256;

const CODES: Uint32Array = canonicalCodes();

function canonicalCodes(): Uint32Array {
  const codes = new Uint32Array(END + 1);
  let code = 0;
  for (let bits = 1; bits <= END_BITS; bits++) {
    for (let byte = 0; byte < END; byte++) if (LENGTHS[byte] === bits) codes[byte] = code++;
    if (bits === END_BITS) codes[END] = code;
    code *= 2;
  }
  return codes;
}

/** Decoding goes by four bits: no code is shorter than five, so that at most one byte ends in them. */
const STEP_BITS = 4;
const STEPS: number = 1 << STEP_BITS;
const EMITS = 0x1_0000;
const FAILS = 0x2_0000;
/** Per node and step: the node after it, the byte that ended at 17 bits further up, and the two marks. */
const TABLE: Uint32Array = new Uint32Array(END * STEPS);
const BYTE_SHIFT = 18;
/** 1 for a node that is reached by ones only, at most seven: where a string may end (RFC 7541 5.2). */
const MAY_END: Uint8Array = new Uint8Array(END);

buildTable();

function buildTable(): void {
  // Inner nodes; a leaf is its byte below zero.
  const nodes: [number, number][] = [[0, 0]];
  for (let byte = 0; byte <= END; byte++) {
    const bits = byte === END ? END_BITS : (LENGTHS[byte] ?? 0);
    let at = 0;
    for (let bit = bits - 1; bit >= 0; bit--) {
      const node = nodes[at] ?? [0, 0];
      const side = ((CODES[byte] ?? 0) >>> bit) & 1;
      if (bit === 0) node[side] = -byte - 1;
      else {
        if (node[side] === 0) node[side] = nodes.push([0, 0]) - 1;
        at = node[side] ?? 0;
      }
    }
  }
  for (let node = 0; node < END; node++) {
    for (let step = 0; step < STEPS; step++) TABLE[node * STEPS + step] = walk(nodes, node, step);
  }
  let at = 0;
  for (let ones = 0; ones < 8; ones++) {
    MAY_END[at] = 1;
    at = nodes[at]?.[1] ?? 0;
  }
}

function walk(nodes: readonly (readonly [number, number])[], from: number, step: number): number {
  let at = from;
  let byte = -1;
  for (let bit = STEP_BITS - 1; bit >= 0; bit--) {
    const next = nodes[at]?.[(step >>> bit) & 1] ?? 0;
    if (next >= 0) {
      at = next;
      continue;
    }
    byte = -next - 1;
    if (byte === END) return FAILS;
    at = 0;
  }
  return byte < 0 ? at : at + EMITS + byte * (1 << BYTE_SHIFT);
}

/** Decodes `from..to` to the start of `out`, which has room for 8/5 of it; answers the bytes made, -1: malformed. */
export function huffmanDecode(
  bytes: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
): number {
  let node = 0;
  let made = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    let next = TABLE[node * STEPS + (byte >>> STEP_BITS)] ?? 0;
    if (next >= EMITS) {
      if ((next & FAILS) !== 0) return -1;
      out[made++] = next >>> BYTE_SHIFT;
    }
    node = next & 0xff;
    next = TABLE[node * STEPS + (byte & (STEPS - 1))] ?? 0;
    if (next >= EMITS) {
      if ((next & FAILS) !== 0) return -1;
      out[made++] = next >>> BYTE_SHIFT;
    }
    node = next & 0xff;
  }
  return MAY_END[node] === 1 ? made : -1;
}

/** Bytes that a latin1 text takes in this code. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let at = 0; at < text.length; at++) bits += LENGTHS[text.charCodeAt(at) & 0xff] ?? 0;
  return (bits + 7) >>> 3;
}

/** Writes a latin1 text; answers where it ended. */
export function huffmanEncode(text: string, out: Uint8Array, from: number): number {
  let at = from;
  /** Fewer than eight bits that wait for more. */
  let held = 0;
  let heldBits = 0;
  const put = (code: number, bits: number): void => {
    held = (held << bits) | code;
    heldBits += bits;
    while (heldBits >= 8) {
      heldBits -= 8;
      out[at++] = held >>> heldBits;
    }
    held &= (1 << heldBits) - 1;
  };
  for (let index = 0; index < text.length; index++) {
    const byte = text.charCodeAt(index) & 0xff;
    const bits = LENGTHS[byte] ?? 0;
    const code = CODES[byte] ?? 0;
    // With the held ones no more than 31 at a time.
    if (bits > 16) put(code >>> 16, bits - 16);
    put(bits > 16 ? code & 0xffff : code, Math.min(bits, 16));
  }
  if (heldBits > 0) out[at++] = ((held << (8 - heldBits)) | (0xff >>> heldBits)) & 0xff;
  return at;
}
