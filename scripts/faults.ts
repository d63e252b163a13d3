/**
 * `npm run test:faults -- database [--minutes 30] [--seed N] [--only WORDS] [--history FILE]`: breaks one thing after another under the
 * database while clients work on it, and judges what they saw. Says its seed, with which the order of faults is the same again.
 */
import { parseArgs } from 'node:util';
import { FAULTS } from '../testing/faults/faults.ts';
import { runFaults } from '../testing/faults/run.ts';
import { randomSeed } from '../testing/seeded.ts';
import { ensurePackages } from './packages.ts';
import { ownRuntime } from './run.ts';

const MINUTES = 30;
const FAULT_MS = 6000;
const FAULTS_PER_ROUND = 5;

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      minutes: { type: 'string' },
      seed: { type: 'string' },
      only: { type: 'string' },
      history: { type: 'string' },
    },
  });
  if (positionals.length !== 1 || positionals[0] !== 'database') {
    console.error('Say what to break: npm run test:faults -- database [--minutes 30]');
    return false;
  }
  const minutes = Number(values.minutes ?? MINUTES);
  if (!(minutes > 0)) {
    console.error(`--minutes ${values.minutes} is no number of minutes: --minutes 30`);
    return false;
  }
  if (!(await ensurePackages())) return false;
  const seed = Number(values.seed ?? randomSeed());
  const faults = FAULTS.filter(({ name }) => name.includes(values.only ?? ''));
  console.log(`Seed ${seed}, faults: ${faults.map(({ name }) => name).join('; ')}`);
  const began = performance.now();
  try {
    await runFaults({
      seed,
      minutes,
      faults,
      faultMs: FAULT_MS,
      faultsPerRound: FAULTS_PER_ROUND,
      clientProcesses: 2,
      workers: 3,
      stripes: 3,
      say: (line) =>
        console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`),
      ...(values.history === undefined ? {} : { historyTo: values.history }),
    });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return false;
  }
  console.log(
    'No acknowledged write was lost or doubled, no anomaly was seen, all copies are equal',
  );
  return true;
}

ownRuntime();
process.exitCode = (await main()) ? 0 : 1;
