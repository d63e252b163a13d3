/** What this machine has and uses now: processor, memory, disk. */
import { cpus, freemem, totalmem } from 'node:os';
import { readFileSync } from 'node:fs';
import { CpuMeter } from '../base/cpu-meter.ts';
import { diskSpace } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type { NodeLoad } from '../cluster/cluster.ts';

export interface HostFacts {
  readonly cpu: { readonly cores: number; readonly usedRatio: number };
  readonly memory: { readonly totalBytes: number; readonly usedBytes: number };
  /** Zeros when the disk does not say. */
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number };
}

/** A disk with less than both counts as full: too little for a release and its logs. */
const DISK_FREE_LEAST_MIB = 512;
const DISK_FREE_LEAST_RATIO = 0.05;

/** What is left in MiB when that is too little for anything new; undefined while there is room, or nobody knows. */
export function diskFullMiB({ totalBytes, freeBytes }: HostFacts['disk']): number | undefined {
  const freeMiB = Math.floor(freeBytes / 1024 ** 2);
  const isFull = freeMiB < DISK_FREE_LEAST_MIB && freeBytes < totalBytes * DISK_FREE_LEAST_RATIO;
  return isFull ? freeMiB : undefined;
}

/** What is told with a check-in. */
export function loadOf({ cpu, memory: { totalBytes, usedBytes }, disk }: HostFacts): NodeLoad {
  const left = diskFullMiB(disk);
  return {
    ...(left === undefined ? {} : { diskFullMiB: left }),
    cpuPercent: Math.round(Math.min(1, cpu.usedRatio) * 100),
    memoryFreeMiB: Math.floor((totalBytes - usedBytes) / 1024 ** 2),
  };
}

/** Closer together they would measure nothing but noise; a little less than a second, for those who look once a second. */
const WINDOW_LEAST_MS = 900;

/** Processor use is measured between two readings; callers in between get the last one. */
export class HostMeter {
  readonly #dataFolder: string;
  readonly #clock: Clock;
  #last: { readonly atMs: number; readonly facts: HostFacts } | undefined;
  readonly #cores = cpus().length;
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
    const { totalBytes, availableBytes } = memory();
    return {
      cpu: { cores: this.#cores, usedRatio: this.#cpu.read() },
      memory: { totalBytes, usedBytes: totalBytes - availableBytes },
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

/** What programs could still take is `MemAvailable`, since `freemem` counts the page cache as used. */
function memory(): { readonly totalBytes: number; readonly availableBytes: number } {
  try {
    const text = readFileSync('/proc/meminfo', 'utf8');
    const total = /^MemTotal:\s+(\d+) kB$/m.exec(text)?.[1];
    const available = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
    if (total !== undefined && available !== undefined) {
      return { totalBytes: Number(total) * 1024, availableBytes: Number(available) * 1024 };
    }
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
  return { totalBytes: totalmem(), availableBytes: freemem() };
}
