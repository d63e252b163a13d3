/** Bodies that are too large for a record, by the numbers that stand for them there. */
import type { Body } from './body.ts';

export class OutsideBodies {
  readonly #bodies: (Body | undefined)[] = [];
  readonly #free: number[] = [];

  /** Its number. */
  add(body: Body): number {
    const number = this.#free.pop() ?? this.#bodies.length;
    this.#bodies[number] = body;
    return number;
  }

  get(number: number): Body | undefined {
    return this.#bodies[number];
  }

  remove(number: number): void {
    this.#bodies[number] = undefined;
    this.#free.push(number);
  }

  clear(): void {
    this.#bodies.length = 0;
    this.#free.length = 0;
  }
}
