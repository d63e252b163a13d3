/** A part of a core for some processes and all that they start: a control group of the kernel, version 2 or 1. Needs root. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../src/base/errors.ts';

const V2 = '/sys/fs/cgroup';
const V1 = '/sys/fs/cgroup/cpu';
/** The kernel's own: it gives out 5 ms at a time, so that of a shorter one a core takes all. */
const PERIOD_MICROS = 100_000;
const EMPTY_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 20;

export class CpuShare implements Disposable {
  readonly #folder: string;
  readonly #isV2: boolean;

  /** Without a limit yet. Throws when the kernel has no such groups, or not for us. */
  constructor(name: string) {
    this.#isV2 = existsSync(join(V2, 'cgroup.controllers'));
    if (this.#isV2) writeFileSync(join(V2, 'cgroup.subtree_control'), '+cpu');
    this.#folder = join(this.#isV2 ? V2 : V1, name);
    mkdirSync(this.#folder);
  }

  /** `cgroup v2` or `cgroup v1`. */
  get kind(): string {
    return this.#isV2 ? 'cgroup v2' : 'cgroup v1';
  }

  /** A program and words in front of what is to run in it. */
  get under(): readonly string[] {
    const group = join(this.#folder, 'cgroup.procs');
    return ['sh', '-c', `echo $$ > ${group}; exec "$@"`, 'sh'];
  }

  /** A process that runs already. */
  add(pid: number): void {
    writeFileSync(join(this.#folder, 'cgroup.procs'), String(pid));
  }

  /** So many percent of one core; undefined: as much as there is. */
  limit(percent: number | undefined): void {
    const micros = percent === undefined ? undefined : (PERIOD_MICROS * percent) / 100;
    if (this.#isV2) {
      writeFileSync(join(this.#folder, 'cpu.max'), `${micros ?? 'max'} ${PERIOD_MICROS}`);
      return;
    }
    writeFileSync(join(this.#folder, 'cpu.cfs_period_us'), String(PERIOD_MICROS));
    writeFileSync(join(this.#folder, 'cpu.cfs_quota_us'), String(micros ?? -1));
  }

  /** Its processes go back to the others. */
  [Symbol.dispose](): void {
    this.limit(undefined);
    const endMs = performance.now() + EMPTY_WITHIN_MS;
    while (!this.#isRemoved()) {
      if (performance.now() > endMs) throw new Error(`${this.#folder} does not become empty`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_EVERY_MS);
    }
  }

  /** What is ending cannot be moved any more, and is still there for a moment. */
  #isRemoved(): boolean {
    const processes = readFileSync(join(this.#folder, 'cgroup.procs'), 'utf8').split('\n');
    try {
      for (const pid of processes.filter((one) => one !== ''))
        writeFileSync(join(this.#isV2 ? V2 : V1, 'cgroup.procs'), pid);
      rmdirSync(this.#folder);
      return true;
    } catch (error) {
      if (!['ESRCH', 'EBUSY'].includes(systemCode(error) ?? '')) throw error;
      return false;
    }
  }
}
