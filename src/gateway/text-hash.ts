/** FNV-1a of 32 bits with a final mix, which spreads what differs in the last letter: the same in all processes and on all nodes. */
export function textHash(text: string): number {
  let state = 0x811c_9dc5;
  for (let at = 0; at < text.length; at++) {
    state = Math.imul(state ^ text.charCodeAt(at), 0x0100_0193);
  }
  return mixHash(state);
}

/** Of two hashes, for rendezvous: each pair has a number of its own. */
export function pairHash(one: number, two: number): number {
  return mixHash(Math.imul(one ^ 0x9e37_79b9, 0x0100_0193) ^ two);
}

/** The finalizer of MurmurHash3. */
export function mixHash(hash: number): number {
  let state = hash;
  state = Math.imul(state ^ (state >>> 16), 0x85eb_ca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2_ae35);
  return (state ^ (state >>> 16)) >>> 0;
}
