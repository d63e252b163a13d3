/** What this machine has and uses now: processor, memory, disk. */
import { cpus, freemem, totalmem } from 'node:os';
import { readFileSync } from 'node:fs';
import { CpuMeter } from '../base/cpu-meter.ts';
import { diskSpace } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';

export interface HostFacts {
  readonly cpu: { readonly cores: number; readonly usedRatio: number };
  readonly memory: { readonly totalBytes: number; readonly usedBytes: number };
  /** Zeros when the disk does not say. */
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number };
}

/** Readings this close together would measure nothing but noise. */
const WINDOW_LEAST_MS = 500;

/** Processor use is measured between two readings; callers in between get the last one. */
export class HostMeter {
  readonly #dataFolder: string;
  readonly #clock: Clock;
  #last: { readonly atMs: number; readonly facts: HostFacts } | undefined;
  readonly #cpu = new CpuMeter();

  constructor(options: { readonly dataFolder: string; readonly clock: Clock }) {
    this.#dataFolder = options.dataFolder;
    this.#clock = options.clock;
  }

  read(): HostFacts {
    const atMs = this.#clock.monotonicMs();
    if (this.#last === undefined || atMs - this.#last.atMs >= WINDOW_LEAST_MS) {
      this.#last = { atMs, facts: this.#measure() };
    }
    return this.#last.facts;
  }

  #measure(): HostFacts {
    return {
      cpu: { cores: cpus().length, usedRatio: this.#cpu.read() },
      memory: { totalBytes: totalmem(), usedBytes: totalmem() - availableMemory() },
      disk: this.#disk(),
    };
  }

  /** A disk that does not say keeps its last figures, zeros at first: the rest is worth knowing all the same. */
  #disk(): HostFacts['disk'] {
    try {
      const { freeBytes, sizeBytes } = diskSpace(this.#dataFolder);
      return { totalBytes: sizeBytes, freeBytes };
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return this.#last?.facts.disk ?? { totalBytes: 0, freeBytes: 0 };
    }
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
