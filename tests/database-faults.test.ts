/**
 * The short form of `npm run test:faults -- database`: clients on two stripes over three real etcd members and three nodes, while a
 * primary and a coordinator are killed and etcd's answers are held back. Judged by the same checkers.
 */
import { test } from 'node:test';
import { FAULTS } from '../testing/faults/faults.ts';
import { runFaults } from '../testing/faults/run.ts';
import { randomSeed } from '../testing/seeded.ts';

const NAMES = [
  'kill -9 of a primary',
  'kill -9 of a coordinator',
  'answers of etcd to a primary held back',
];

test('transactions over stripes keep their promises while processes and the network fail', async (t) => {
  const seed = randomSeed();
  t.diagnostic(`seed ${seed}`);
  await runFaults({
    seed,
    minutes: 0,
    faults: FAULTS.filter(({ name }) => NAMES.includes(name)),
    faultMs: 1000,
    faultsPerRound: NAMES.length,
    clientProcesses: 2,
    workers: 2,
    stripes: 2,
    say: (line) => t.diagnostic(line),
  });
});
