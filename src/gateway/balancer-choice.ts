/** Which upstream of a balancer gets the next connection. Pure but for the turn of the round robin. */
import type { BalanceBy } from './balancer-config.ts';
import { textHash } from './text-hash.ts';

/** What choosing needs to know of an upstream. */
export interface Choosable {
  readonly id: string;
  /** Open now. */
  readonly connections: number;
  readonly config: { readonly weight: number };
  isUsable(nowMs: number): boolean;
}

export interface ChoiceQuestion<T> {
  /** Who was tried in vain for this connection. */
  readonly excluded: readonly T[];
  /** The client's address. */
  readonly source: string;
  readonly nowMs: number;
}

export class BalancerChoice<T extends Choosable> {
  readonly #by: BalanceBy;
  readonly #targets: readonly T[];
  /** How far behind its share each one is (smooth weighted round robin, as nginx has it). */
  readonly #behind: number[];

  constructor(by: BalanceBy, targets: readonly T[]) {
    this.#by = by;
    this.#targets = targets;
    this.#behind = targets.map(() => 0);
  }

  /** Undefined when all are excluded or have weight 0. When none is usable, they are tried all the same. */
  choose(question: ChoiceQuestion<T>): T | undefined {
    const { excluded, nowMs } = question;
    const open = [...this.#targets.keys()].filter((index) => {
      const target = this.#targets[index];
      return target !== undefined && target.config.weight > 0 && !excluded.includes(target);
    });
    const usable = open.filter((index) => this.#targets[index]?.isUsable(nowMs));
    const from = usable.length > 0 ? usable : open;
    if (this.#by === 'source-hash') return this.#best(from, (one) => share(one, question.source));
    const turn = this.#nextTurn(this.#by === 'least' ? this.#leastOf(from) : from);
    return turn === undefined ? undefined : this.#targets[turn];
  }

  /** All that have as few connections for their weight. */
  #leastOf(indexes: readonly number[]): readonly number[] {
    const loadOf = (index: number): number => {
      const target = this.#targets[index];
      return target === undefined ? Infinity : (target.connections + 1) / target.config.weight;
    };
    const least = indexes.reduce((load, index) => Math.min(load, loadOf(index)), Infinity);
    return indexes.filter((index) => loadOf(index) === least);
  }

  #nextTurn(indexes: readonly number[]): number | undefined {
    let chosen: number | undefined;
    let sum = 0;
    for (const index of indexes) {
      const weight = this.#targets[index]?.config.weight ?? 0;
      const behind = (this.#behind[index] ?? 0) + weight;
      this.#behind[index] = behind;
      sum += weight;
      if (chosen === undefined || behind > (this.#behind[chosen] ?? 0)) chosen = index;
    }
    if (chosen !== undefined) this.#behind[chosen] = (this.#behind[chosen] ?? 0) - sum;
    return chosen;
  }

  #best(indexes: readonly number[], score: (target: T) => number): T | undefined {
    let best: T | undefined;
    let most = -Infinity;
    for (const index of indexes) {
      const target = this.#targets[index];
      if (target === undefined) continue;
      const points = score(target);
      if (points > most) [best, most] = [target, points];
    }
    return best;
  }
}

/** Weighted rendezvous hashing: when an upstream comes or goes, only its own clients move. */
function share({ id, config }: Choosable, source: string): number {
  return config.weight / -Math.log((textHash(`${source} ${id}`) + 0.5) / 0x1_0000_0000);
}
