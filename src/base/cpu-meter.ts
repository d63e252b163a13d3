/** How busy the processors of this machine are, between two readings. */
import { readFileSync } from 'node:fs';

export class CpuMeter {
  #busy = 0;
  #total = 0;
  #usedRatio = 0;

  /** 0 to 1 since the reading before; the first one is about all the time since the machine started. */
  read(): number {
    const { busy, total } = processorTicks();
    if (total > this.#total) this.#usedRatio = (busy - this.#busy) / (total - this.#total);
    this.#busy = busy;
    this.#total = total;
    return this.#usedRatio;
  }
}

/** Of all cores since the machine started: the first line of `/proc/stat`. `cpus` reads a file for each core, for its speed. */
function processorTicks(): { readonly busy: number; readonly total: number } {
  const text = readFileSync('/proc/stat', 'utf8');
  const line = text.slice(0, text.indexOf('\n'));
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, hard = 0, soft = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const busy = user + nice + system + hard + soft;
  return { busy, total: busy + idle + waiting };
}
