import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayStats } from '../gateway/config.ts';
import { LiveMeter, SAMPLES_KEPT } from './live-meter.ts';

const FACTS = {
  cpu: { cores: 2, usedRatio: 0.25 },
  memory: { totalBytes: 100, usedBytes: 40 },
  disk: { totalBytes: 100, freeBytes: 50 },
};

function gateway(pid: number, requests: number, errors5xx = 0): GatewayStats {
  const totals = {
    requests,
    errors5xx,
    errors4xx: 0,
    bytesIn: 0,
    bytesOut: requests * 10,
    latencySumMs: 0,
  };
  const fast = requests - errors5xx;
  return {
    pid,
    version: 1,
    connections: 3,
    memoryBytes: 1,
    upstreams: {},
    routes: { 'app/shop': totals },
    metrics: [
      {
        name: 'seconds',
        help: '',
        type: 'histogram',
        samples: [
          {
            labels: {},
            value: 0,
            count: requests,
            buckets: [
              [0.1, fast],
              [1, requests],
            ],
          },
        ],
      },
    ],
  };
}

test('rates are differences over the time between samples, summed over processes', () => {
  const meter = new LiveMeter('seconds');
  const first = meter.add(0, [gateway(1, 100), gateway(2, 100)], FACTS);
  assert.equal(first.requestsPerSecond, 0);
  const second = meter.add(2000, [gateway(1, 120, 0), gateway(2, 140, 0)], FACTS);
  assert.equal(second.requestsPerSecond, 30);
  assert.equal(second.bytesOutPerSecond, 300);
  assert.equal(second.connections, 6);
  assert.deepEqual(second.apps, { shop: { requestsPerSecond: 30, errorsPerSecond: 0 } });
  assert.equal(second.p50Ms, 50);
});

test('a process that was replaced does not make a rate negative or huge', () => {
  const meter = new LiveMeter('seconds');
  meter.add(0, [gateway(1, 100_000)], FACTS);
  assert.equal(meter.add(1000, [gateway(7, 500)], FACTS).requestsPerSecond, 0);
  assert.equal(meter.add(2000, [gateway(7, 510)], FACTS).requestsPerSecond, 10);
});

test('ten minutes are kept', () => {
  const meter = new LiveMeter('seconds');
  for (let at = 0; at <= SAMPLES_KEPT; at++) meter.add(at * 1000, [], FACTS);
  assert.equal(meter.history().length, SAMPLES_KEPT);
  assert.equal(meter.history()[0]?.at, 1000);
});

test('a route that was removed and made again counts from nothing', () => {
  const meter = new LiveMeter('seconds');
  meter.add(0, [gateway(1, 1000)], FACTS);
  const sample = meter.add(1000, [gateway(1, 3)], FACTS);
  assert.equal(sample.requestsPerSecond, 3);
  assert.equal(sample.bytesOutPerSecond, 30);
});
