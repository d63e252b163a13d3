import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResponseHead } from '../http/head.ts';
import { RESPONSE_HEAD_LIMITS } from '../http/limits.ts';
import { LOAD_REPORT_CHARACTERS_MAX } from './limits.ts';
import { parseLoadReport, statedLoad } from './load-report.ts';

test('what the application says of itself, else its processor time', () => {
  const table: readonly (readonly [string, number | undefined])[] = [
    ['TEXT application_utilization=0.4,cpu_utilization=0.3', 0.4],
    ['TEXT cpu_utilization=0.3, mem_utilization=0.8, rps_fractional=10.0, eps=1', 0.3],
    ['TEXT application_utilization=0,cpu_utilization=0.3', 0.3],
    ['TEXT application_utilization=0', 0],
    ['TEXT cpu_utilization=1.7', 1],
    ['TEXT cpu_utilization=1e-05', 0.000_01],
    ['text cpu_utilization=1', 1],
    ['TEXT named_metrics.queue%2Cdepth=-12,cpu_utilization=0.5', 0.5],
    ['TEXT mem_utilization=0.9', undefined],
    ['JSON {"cpu_utilization": 0.3, "named_metrics": {"queue": 4}}', 0.3],
    ['JSON {"cpuUtilization": 0.3, "applicationUtilization": 0.7}', 0.7],
    ['JSON {"application_utilization": 5}', 1],
    ['JSON {}', undefined],
  ];
  for (const [value, wanted] of table) assert.equal(parseLoadReport(value), wanted, value);
});

test('what is not understood says nothing', () => {
  const values = [
    '',
    'TEXT',
    'TEXT ',
    'JSON ',
    '0.42',
    'cpu_utilization=0.3',
    'BIN CZqZmZmZmbk/MQAAAAAAAABA',
    'XML <cpu>1</cpu>',
    'TEXT cpu_utilization',
    'TEXT cpu_utilization=',
    'TEXT =0.3',
    'TEXT cpu_utilization:0.3',
    'TEXT cpu_utilization=0.3,',
    'TEXT ,cpu_utilization=0.3',
    'TEXT cpu_utilization=0.3,cpu_utilization=0.9',
    'TEXT cpu_utilization=0.3 0.9',
    'TEXT cpu_utilization=0.3=0.9',
    'TEXT cpu_utilization=-0.3',
    'TEXT cpu_utilization=+0.3',
    'TEXT cpu_utilization=NaN',
    'TEXT cpu_utilization=Infinity',
    'TEXT cpu_utilization=0x1',
    'TEXT cpu_utilization=.5',
    'TEXT cpu_utilization=0,5',
    'TEXT cpu_utilization=1e999',
    'TEXT application_utilization=0.3,cpu_utilization=bad',
    `TEXT cpu_utilization=${'9'.repeat(400)}`,
    'JSON 0.3',
    'JSON null',
    'JSON [0.3]',
    'JSON {"cpu_utilization":0.3',
    'JSON {"cpu_utilization":"0.3"}',
    'JSON {"cpu_utilization":-1}',
    'JSON {"cpu_utilization":1e999}',
    'JSON {"cpu_utilization":[1]}',
    'JSON {"cpu_utilization":0.3,"application_utilization":true}',
    'JSON {"__proto__":{"cpu_utilization":0.3}}',
    `JSON ${'['.repeat(LOAD_REPORT_CHARACTERS_MAX - 5)}`,
    `TEXT cpu_utilization=0.5,a=${'1'.repeat(LOAD_REPORT_CHARACTERS_MAX)}`,
    `TEXT ${'a,'.repeat(LOAD_REPORT_CHARACTERS_MAX / 2)}`,
  ];
  for (const value of values) assert.equal(parseLoadReport(value), undefined, value.slice(0, 80));
});

test('a head says it once', () => {
  const load = (...fields: readonly string[]): number | undefined => {
    const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${fields.join('')}\r\n`);
    const head = new ResponseHead(RESPONSE_HEAD_LIMITS);
    head.reset(0);
    assert.ok(head.scan(bytes, bytes.length));
    return statedLoad(head);
  };
  const field = 'Endpoint-Load-Metrics: TEXT cpu_utilization=0.3\r\n';
  assert.equal(load(), undefined);
  assert.equal(load('Server: x\r\n', field), 0.3);
  assert.equal(load(field, field), undefined);
  assert.equal(load('Endpoint_Load_Metrics: TEXT cpu_utilization=0.3\r\n'), undefined);
});
