import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { processId } from '../base/process-id.ts';
import { findProcesses } from './processes.ts';

test('living processes of a folder are found by role; recycled pids and broken files are not', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-processes-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const self = processId(process.pid);
  assert.ok(self);
  const write = (path: string, value: unknown): void => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), typeof value === 'string' ? value : JSON.stringify(value));
  };
  write('run/agent.json', self);
  write('run/gateway-0.json', { version: 1, process: self });
  write('run/gateway-1.json', { ...self, startTicks: self.startTicks + 1 });
  write('run/half.json', '{"pid":');
  write('apps/blog/run/blog-web-1.json', { instance: { processId: self } });
  assert.deepEqual(
    findProcesses(folder).map(({ role, label }) => [role, label]),
    [
      ['agent', 'agent'],
      ['gateway', 'gateway gateway-0'],
      ['instance', 'instance blog-web-1'],
    ],
  );
  assert.deepEqual(findProcesses(join(folder, 'none')), []);
});
