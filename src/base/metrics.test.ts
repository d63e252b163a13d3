import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatPrometheus,
  mergeFamilies,
  Metrics,
  quantile,
  SAMPLES_PER_FAMILY_MAX,
} from './metrics.ts';

test('text follows the exposition format', () => {
  const metrics = new Metrics();
  metrics.counter('moln_requests_total', 'Requests served', { route: 'a"b' }).add(2);
  const latency = metrics.histogram('moln_seconds', 'Latency', {}, [0.1, 1]);
  for (const seconds of [0.05, 0.5, 5]) latency.observe(seconds);
  assert.equal(
    formatPrometheus(metrics.snapshot()),
    [
      '# HELP moln_requests_total Requests served',
      '# TYPE moln_requests_total counter',
      'moln_requests_total{route="a\\"b"} 2',
      '# HELP moln_seconds Latency',
      '# TYPE moln_seconds histogram',
      'moln_seconds_bucket{le="0.1"} 1',
      'moln_seconds_bucket{le="1"} 2',
      'moln_seconds_bucket{le="+Inf"} 3',
      'moln_seconds_sum 5.55',
      'moln_seconds_count 3',
      '',
    ].join('\n'),
  );
});

test('processes add up, label order does not matter', () => {
  const one = new Metrics();
  const two = new Metrics();
  one.counter('n', 'N', { a: '1', b: '2' }).add(1);
  two.counter('n', 'N', { b: '2', a: '1' }).add(4);
  for (const metrics of [one, two]) metrics.histogram('h', 'H', {}, [1]).observe(0.5);
  const [n, h] = mergeFamilies([one.snapshot(), two.snapshot()]);
  assert.equal(n?.samples[0]?.value, 5);
  assert.equal(n?.samples.length, 1);
  assert.deepEqual(h?.samples[0]?.buckets, [[1, 2]]);
  assert.equal(h?.samples[0]?.count, 2);
});

test('label sets are bounded', () => {
  const metrics = new Metrics();
  for (let index = 0; index < SAMPLES_PER_FAMILY_MAX + 50; index++) {
    metrics.counter('n', 'N', { host: String(index) }).add(1);
  }
  const samples = metrics.snapshot()[0]?.samples ?? [];
  assert.equal(samples.length, SAMPLES_PER_FAMILY_MAX + 1);
  assert.equal(samples.at(-1)?.value, 50);
});

test('a removed label set is gone', () => {
  const metrics = new Metrics();
  metrics.counter('n', 'N', { app: 'a', code: '2xx' }).add(1);
  metrics.counter('n', 'N', { app: 'b', code: '2xx' }).add(1);
  metrics.remove('n', { app: 'a' });
  assert.deepEqual(
    metrics.snapshot()[0]?.samples.map((sample) => sample.labels),
    [{ app: 'b', code: '2xx' }],
  );
});

test('quantiles interpolate inside a bucket', () => {
  const sample = {
    labels: {},
    value: 0,
    count: 10,
    buckets: [
      [1, 5],
      [2, 10],
    ] as const,
  };
  assert.equal(quantile(sample, 0.5), 1);
  assert.equal(quantile(sample, 0.75), 1.5);
  assert.equal(quantile({ labels: {}, value: 0, count: 0, buckets: [] }, 0.5), 0);
});
