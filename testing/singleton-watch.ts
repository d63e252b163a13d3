/** A singleton that tells of its life, on the disk of the node that it runs on: whether it ever ran twice is read from there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const SINGLETON = 'ticker';
const BEAT_MS = 50;
/** A process may be stopped by the machine for so long between the look at the clock and the write. */
const GRAIN_MS = 2 * BEAT_MS;
/** A node that is stopped and goes on again runs it for at most so long before it looks at the clock. */
const WAKING_MS = 300;

/** By the clock that no test sets, and that is one for all nodes of a machine. A full disk does not stop it. */
const PROGRAM = `
const { appendFileSync } = require('node:fs');
const path = process.env.MOLN_DATA_DIR + '/beats-' + process.env.MOLN_INSTANCE;
const beat = () => {
  const nowMs = Math.round(Number(process.hrtime.bigint() / 1000000n));
  try { appendFileSync(path, nowMs + '\\n'); } catch {}
};
beat();
setInterval(beat, ${BEAT_MS});
`;

export const SINGLETON_APP: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({ name: SINGLETON }),
  'ticker.js': PROGRAM,
  'moln.json': JSON.stringify({
    processes: { clock: 'node ticker.js' },
    singletons: ['clock'],
    lostAfter: '10s',
  }),
};

export interface Life {
  readonly instance: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** The lives of all its instances that left something on these nodes' disks, in the order in which they began. */
export function livesOn(dataFolders: readonly string[]): readonly Life[] {
  return dataFolders
    .flatMap((data) => livesIn(join(data, 'apps', SINGLETON, 'data')))
    .toSorted((a, b) => a.fromMs - b.fromMs);
}

function livesIn(folder: string): readonly Life[] {
  return namesIn(folder).flatMap((name) => {
    const instance = /^beats-(.+)$/.exec(name)?.[1];
    const beats = readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean).map(Number);
    const [fromMs] = beats;
    const toMs = beats.at(-1);
    if (instance === undefined || fromMs === undefined || toMs === undefined) return [];
    return [{ instance, fromMs, toMs }];
  });
}

/** In words; empty when no two of them were alive at one time. `wasFrozen`: a whole node was stopped and went on. */
export function overlapsOf(
  lives: readonly Life[],
  { wasFrozen = false }: { readonly wasFrozen?: boolean } = {},
): readonly string[] {
  const mostMs = wasFrozen ? WAKING_MS : GRAIN_MS;
  return lives.flatMap((life, at) => {
    const next = lives[at + 1];
    if (next === undefined || life.toMs <= next.fromMs + mostMs) return [];
    return [`${next.instance} began ${life.toMs - next.fromMs} ms before ${life.instance} ended`];
  });
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // It never ran there, or the disk was wiped.
    return [];
  }
}
