/** Two callers never get the same port, whether they listen already or not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePorts } from './free-ports.ts';

test('ports are different over many calls', async () => {
  const ports = (
    await Promise.all(Array.from({ length: 40 }, () => freePorts('127.0.0.1', 3)))
  ).flat();
  assert.equal(ports.length, 120);
  assert.equal(new Set(ports).size, 120);
});
