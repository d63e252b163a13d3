/**
 * Whether the next group is to wait for those that were in the last one: who asks again as soon as he is answered would miss it by a moment, and then
 * all go in two groups in turn, with twice the appends. Pure: it is told what came of it, and is asked before each group.
 */

/** Fewer gain nothing: an append for each half of them costs less than to wait. */
const WORTH_MIN = 8;
/** Not all of them come again at once. */
const SHARE_WANTED = 0.75;
/** Groups that do not wait, after one that has waited in vain; twice as many each time. */
const REST_FIRST = 4;
const REST_MAX = 256;

export class GroupWait {
  #last = 0;
  #resting = 0;
  #rest = REST_FIRST;

  /** With how many transactions the next group is to begin, if they come soon; `waiting` when it is to begin at once. */
  wanted(waiting: number, most: number): number {
    if (this.#resting > 0) {
      this.#resting--;
      return waiting;
    }
    if (waiting < WORTH_MIN || this.#last < WORTH_MIN) return waiting;
    return Math.min(most, waiting + Math.ceil(this.#last * SHARE_WANTED));
  }

  /** It was waited for them, and they came, or not. */
  waited(isEnough: boolean): void {
    if (isEnough) this.#rest = REST_FIRST;
    else {
      this.#resting = this.#rest;
      this.#rest = Math.min(REST_MAX, this.#rest * 2);
    }
  }

  /** A group is under way: its transactions are answered when the next one begins. */
  began(transactions: number): void {
    this.#last = transactions;
  }
}
