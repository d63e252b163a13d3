import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { processId } from '../base/process-id.ts';
import {
  livingWorkers,
  readWorkerRecord,
  workerPaths,
  writeWorkerRecord,
} from './worker-record.ts';

test('living workers are found; files of dead ones are removed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-record-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const folders = { runFolder: join(folder, 'run'), logFolder: join(folder, 'logs') };
  await mkdir(folders.runFolder);
  const self = processId(process.pid);
  assert(self !== undefined);
  const record = (process: typeof self): Parameters<typeof writeWorkerRecord>[1] => ({
    format: 1,
    process,
    protocol: 1,
  });
  await writeWorkerRecord(workerPaths(folders, 1).record, record(self));
  // The same pid with another start time is another process.
  const recycled = { ...self, startTicks: self.startTicks - 1 };
  await writeWorkerRecord(workerPaths(folders, 2).record, record(recycled));
  await writeFile(workerPaths(folders, 2).socket, '');
  await writeFile(workerPaths(folders, 3).record, '{"format":1');
  await writeFile(workerPaths(folders, 4).record, '{"format":1,"process":null,"protocol":1}');
  await writeFile(join(folders.runFolder, 'api.sock'), '');

  const living = await livingWorkers(folders);
  assert.deepEqual([...living.keys()], [1]);
  assert.deepEqual(living.get(1)?.process, self);
  assert.deepEqual((await readdir(folders.runFolder)).toSorted(), ['api.sock', 'gateway-1.json']);
  assert.equal(await readWorkerRecord(workerPaths(folders, 9).record), undefined);
});
