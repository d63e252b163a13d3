/** FNV-1a of 32 bits with the last steps of MurmurHash3, which spread what differs in the last letter. */
export function textHash(text: string): number {
  let state = 0x811c_9dc5;
  for (let at = 0; at < text.length; at++) {
    state = Math.imul(state ^ text.charCodeAt(at), 0x0100_0193);
  }
  return mixed(state);
}

/** Of two hashes, for rendezvous: each pair has a number of its own. */
export function pairHash(one: number, two: number): number {
  return mixed(Math.imul(one ^ 0x9e37_79b9, 0x0100_0193) ^ two);
}

function mixed(hash: number): number {
  let state = hash;
  state = Math.imul(state ^ (state >>> 16), 0x85eb_ca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2_ae35);
  return (state ^ (state >>> 16)) >>> 0;
}
