/** How busy the processors of this machine are, between two readings. */
import { cpus } from 'node:os';

export class CpuMeter {
  #busy = 0;
  #total = 0;
  #usedRatio = 0;

  /** 0 to 1 since the reading before; the first one is about all the time since the machine started. */
  read(): number {
    let busy = 0;
    let total = 0;
    for (const { times } of cpus()) {
      const used = times.user + times.nice + times.sys + times.irq;
      busy += used;
      total += used + times.idle;
    }
    if (total > this.#total) this.#usedRatio = (busy - this.#busy) / (total - this.#total);
    this.#busy = busy;
    this.#total = total;
    return this.#usedRatio;
  }
}
