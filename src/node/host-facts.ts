/** What this machine has and uses now: processor, memory, disk. */
import { cpus, freemem, totalmem } from 'node:os';
import { readFileSync } from 'node:fs';
import { diskSpace } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';

export interface HostFacts {
  readonly cpu: { readonly cores: number; readonly usedRatio: number };
  readonly memory: { readonly totalBytes: number; readonly usedBytes: number };
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number };
}

/** Processor use is measured between two calls of `read`. */
export class HostMeter {
  readonly #dataFolder: string;
  #busy = 0;
  #total = 0;
  #usedRatio = 0;

  constructor(dataFolder: string) {
    this.#dataFolder = dataFolder;
  }

  read(): HostFacts {
    const cores = cpus();
    let busy = 0;
    let total = 0;
    for (const { times } of cores) {
      const used = times.user + times.nice + times.sys + times.irq;
      busy += used;
      total += used + times.idle;
    }
    if (total > this.#total) this.#usedRatio = (busy - this.#busy) / (total - this.#total);
    this.#busy = busy;
    this.#total = total;
    const { freeBytes, sizeBytes } = diskSpace(this.#dataFolder);
    return {
      cpu: { cores: cores.length, usedRatio: this.#usedRatio },
      memory: { totalBytes: totalmem(), usedBytes: totalmem() - availableMemory() },
      disk: { totalBytes: sizeBytes, freeBytes },
    };
  }
}

/** Memory that programs could still take: `MemAvailable`, since `freemem` counts the page cache as used. */
function availableMemory(): number {
  try {
    const line = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'));
    if (line?.[1] !== undefined) return Number(line[1]) * 1024;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
  return freemem();
}
