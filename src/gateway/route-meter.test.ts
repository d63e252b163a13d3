import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPrometheus, mergeFamilies } from '../base/metrics.ts';
import { RouteMeter, routeFamilies } from './route-meter.ts';

test('one record counts in totals, status class and latency', () => {
  const meter = new RouteMeter();
  meter.record(200, 1, 10, 20);
  meter.record(404, 3, 1, 2);
  meter.record(503, 60_000, 0, 0);
  meter.record(101, 0.1, 0, 0);
  assert.deepEqual(meter.totals(), {
    requests: 4,
    errors5xx: 1,
    errors4xx: 1,
    bytesIn: 11,
    bytesOut: 22,
    latencySumMs: 60_004.1,
  });
  const families = routeFamilies([['app/a', meter]]);
  const text = formatPrometheus(mergeFamilies([families, families]));
  for (const line of [
    'moln_gateway_requests_total{route="app/a",status="2xx"} 2',
    'moln_gateway_requests_total{route="app/a",status="5xx"} 2',
    'moln_gateway_request_seconds_bucket{route="app/a",le="0.001"} 4',
    'moln_gateway_request_seconds_bucket{route="app/a",le="10"} 6',
    'moln_gateway_request_seconds_count{route="app/a"} 8',
    'moln_gateway_received_bytes_total{route="app/a"} 22',
  ]) {
    assert.ok(text.includes(`${line}\n`), `${line} in\n${text}`);
  }
  assert.ok(!text.includes('status="3xx"'));
});
