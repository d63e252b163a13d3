/**
 * `node scripts/sql-logic.ts [--stripes 1,3,8] [--memory] [--sqlite-ids] [--shown N] PATH…`: runs files of SQL tests in the format of SQLite's
 * "sqllogictest" (`testing/logic`), each in databases of its own, beside plain SQLite, and tells every difference.
 * `--generate FOLDER [--seed N] [--size N]` writes files of our own of that format there.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { engineOf, plannerOf } from '../testing/logic/databases.ts';
import { FAMILIES, familyRecords } from '../testing/logic/families.ts';
import { answered, type LogicDifference, play } from '../testing/logic/play.ts';
import { readRecords, writeRecords } from '../testing/logic/records.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    stripes: { type: 'string', default: '1,3,8' },
    memory: { type: 'boolean', default: false },
    'sqlite-ids': { type: 'boolean', default: false },
    shown: { type: 'string', default: '10' },
    generate: { type: 'string' },
    seed: { type: 'string', default: '1' },
    size: { type: 'string', default: '300' },
  },
});

function filesOf(path: string): readonly string[] {
  if (!statSync(path).isDirectory()) return [path];
  return globSync('**/*.test', { cwd: path })
    .map((file) => join(path, file))
    .sort();
}

async function generate(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const family of Object.keys(FAMILIES)) {
    const records = familyRecords(family, Number(values.seed), Number(values.size));
    writeFileSync(join(folder, `${family}.test`), writeRecords(await answered(records)));
  }
}

async function run(file: string): Promise<readonly LogicDifference[]> {
  const counts = values.stripes.split(',').map(Number);
  const databases = values.memory
    ? counts.map((count) => plannerOf(count))
    : await Promise.all(
        counts.map((count) => engineOf(count, { sqliteIds: values['sqlite-ids'] })),
      );
  const played = await play(readRecords(readFileSync(file, 'utf8')), databases);
  const [plainMs = 0, ...tookMs] = played.tookMs;
  const speeds = tookMs.map((ms, at) => `${counts[at]}: ${perSecond(played.records, ms)}`);
  console.log(
    `${file}: ${played.records} records, ${played.errors} errors, ${played.differences.length} differences; statements/s SQLite: ${perSecond(played.records, plainMs)}, ${speeds.join(', ')}`,
  );
  for (const { database, line, kind, sql, got, want } of played.differences.slice(
    0,
    Number(values.shown),
  )) {
    console.log(
      `  line ${line}, ${database}, ${kind}: ${short(sql)}\n    got  ${short(got)}\n    want ${short(want)}`,
    );
  }
  return played.differences;
}

function perSecond(count: number, ms: number): number {
  return Math.round((count * 1000) / Math.max(ms, 1));
}

function short(text: string): string {
  const line = text.replaceAll('\n', ' ');
  return line.length > 400 ? `${line.slice(0, 400)}…` : line;
}

if (values.generate === undefined) {
  let differences = 0;
  for (const file of positionals.flatMap(filesOf)) differences += (await run(file)).length;
  process.exitCode = differences === 0 ? 0 : 1;
} else {
  await generate(values.generate);
}
