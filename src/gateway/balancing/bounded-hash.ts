/**
 * Rendezvous hashing with weights and bounded load: each key ranks all upstreams, and the first in its rank that has no more
 * than its share gets the request (Thaler and Ravishankar 1998; Mirrokni, Thorup and Zadimoghaddam 2016). When an upstream
 * comes or goes only its own keys move.
 */
import { mixHash } from '../text-hash.ts';

export interface HashChoice {
  /** Of its id. */
  readonly hash: number;
  readonly weight: number;
  readonly load: number;
}

/** Index of the one for `key`, -1 when there is none. `bound`: 1.25 lets one have a quarter more than its share. */
export function chooseByHash(choices: readonly HashChoice[], key: number, bound: number): number {
  let weights = 0;
  let loads = 1;
  for (const { weight, load } of choices) {
    weights += weight;
    loads += load;
  }
  let best = -1;
  let score = -Infinity;
  let spare = -1;
  let spareScore = -Infinity;
  for (let index = 0; index < choices.length; index++) {
    const choice = choices[index];
    if (choice === undefined || choice.weight <= 0) continue;
    const own = rank(choice, key);
    if (own > spareScore) [spare, spareScore] = [index, own];
    const most = Math.ceil((bound * loads * choice.weight) / weights);
    if (own > score && choice.load < most) [best, score] = [index, own];
  }
  return best === -1 ? spare : best;
}

/** Weighted by -w / ln(h), so that each gets its share of the keys. */
function rank(choice: HashChoice, key: number): number {
  const fraction = (mixHash(choice.hash ^ key) + 0.5) / 0x1_0000_0000;
  return -choice.weight / Math.log(fraction);
}
