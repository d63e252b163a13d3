/** The hottest functions of `.cpuprofile` files, by own time. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const ROWS = 45;

export async function summarizeProfiles(folder: string): Promise<string> {
  const own = new Map<string, number>();
  let total = 0;
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.cpuprofile')) continue;
    const profile = JSON.parse(await readFile(join(folder, name), 'utf8')) as Profile;
    const names = new Map(
      profile.nodes.map(({ id, callFrame }) => {
        const file = callFrame.url.slice(callFrame.url.lastIndexOf('/') + 1);
        const place = file === '' ? '' : ` ${file}:${callFrame.lineNumber + 1}`;
        return [id, `${callFrame.functionName || '(anonymous)'}${place}`];
      }),
    );
    for (const [index, id] of profile.samples.entries()) {
      const label = names.get(id) ?? '?';
      if (label.startsWith('(idle)')) continue;
      const micros = profile.timeDeltas[index] ?? 0;
      own.set(label, (own.get(label) ?? 0) + micros);
      total += micros;
    }
  }
  return [...own]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, ROWS)
    .map(([label, micros]) => `${((micros / total) * 100).toFixed(1).padStart(5)} %  ${label}`)
    .join('\n');
}
