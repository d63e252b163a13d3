/** Transactions of a group until they are answered: what each of them is told when the group fails depends on how far that had come. */
import { isMolnError, messageOf } from '../base/errors.ts';
import { outcomeUnknown } from './errors.ts';

export class Unsettled {
  /** Its entry may be in the log. */
  isOpen = false;
  #isTold = false;
  readonly #transactions: readonly { readonly reject: (error: unknown) => void }[];
  readonly #stripe: string;

  constructor(
    transactions: readonly { readonly reject: (error: unknown) => void }[],
    stripe: string,
  ) {
    this.#transactions = transactions;
    this.#stripe = stripe;
  }

  /** They have been told something: none of them may run any more. */
  get isTold(): boolean {
    return this.#isTold;
  }

  rejectAll(error: unknown): void {
    this.#isTold = true;
    const isKnown = isMolnError(error, 'DATABASE_NOT_PRIMARY') || !this.isOpen;
    const reason = isKnown ? error : outcomeUnknown(this.#stripe, messageOf(error));
    for (const { reject } of this.#transactions) reject(reason);
  }
}
