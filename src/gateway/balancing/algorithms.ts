/** Which of several upstreams gets the next request: the algorithms that a route can name, as plain functions. */

/** What choosing needs to know of one; all of them may take the request. */
export interface Choice {
  /** Requests and upgraded connections under way. */
  readonly load: number;
  /** More than 0: configured weight, less for one that starts, is busy or has said so. */
  readonly share: number;
}

/** By chance, by weight. `except`: is passed over. Answers an index, -1 when nothing is left. */
export function drawByShare(
  choices: readonly Choice[],
  random: () => number,
  except: number = -1,
): number {
  let total = 0;
  for (let index = 0; index < choices.length; index++) {
    if (index !== except) total += choices[index]?.share ?? 0;
  }
  let rest = random() * total;
  let last = -1;
  for (let index = 0; index < choices.length; index++) {
    if (index === except) continue;
    last = index;
    rest -= choices[index]?.share ?? 0;
    if (rest < 0) return index;
  }
  return last;
}

/** Power of two choices: the one with less under way for its weight; the first drawn when they are level, so that weights count on a quiet route too. */
export function chooseOfTwo(
  choices: readonly Choice[],
  random: () => number,
  costOf: (choice: Choice, index: number) => number = loadForShare,
): number {
  const first = drawByShare(choices, random);
  if (choices.length < 2) return first;
  const second = drawByShare(choices, random, first);
  const [one, other] = [choices[first], choices[second]];
  if (one === undefined || other === undefined) return first;
  return costOf(other, second) < costOf(one, first) ? second : first;
}

function loadForShare(choice: Choice): number {
  return choice.load / choice.share;
}

/** The least under way for its weight; those that are level take turns by chance and weight. */
export function chooseLeast(choices: readonly Choice[], random: () => number): number {
  let best = -1;
  let least = Infinity;
  let level = 0;
  for (let index = 0; index < choices.length; index++) {
    const choice = choices[index];
    if (choice === undefined) continue;
    const cost = loadForShare(choice);
    if (cost < least) {
      [best, least, level] = [index, cost, choice.share];
    } else if (cost === least) {
      level += choice.share;
      if (random() * level < choice.share) best = index;
    }
  }
  return best;
}

/** The place of one in the turn. */
export interface Turn {
  turn: number;
}

/**
 * Smooth weighted round robin, as nginx does it: everybody's turn comes nearer by its weight, and who is chosen falls back by
 * all weights together. With 5, 1, 1 that gives a a b a c a a, not a a a a a b c.
 */
export function chooseInTurn<T extends Turn>(
  choices: readonly T[],
  weightOf: (choice: T) => number,
): number {
  let best = -1;
  let total = 0;
  for (let index = 0; index < choices.length; index++) {
    const choice = choices[index];
    if (choice === undefined) continue;
    const weight = weightOf(choice);
    choice.turn += weight;
    total += weight;
    if (choice.turn > (choices[best]?.turn ?? -Infinity)) best = index;
  }
  const chosen = choices[best];
  if (chosen !== undefined) chosen.turn -= total;
  return best;
}
