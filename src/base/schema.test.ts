import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from './errors.ts';
import {
  array,
  integer,
  literal,
  object,
  optional,
  record,
  string,
  union,
  withDefault,
} from './schema.ts';

const Health = object({ path: string(), seconds: withDefault(integer({ min: 1, max: 60 }), 10) });
const Settings = object({
  name: string({ pattern: /^[a-z]+$/, patternMeans: 'lower-case letters' }),
  health: optional(Health),
  env: withDefault(record(string(), { key: /^[A-Z_]+$/, keyMeans: 'capital letters' }), {}),
  domains: withDefault(array(string(), { itemsMax: 2 }), []),
  mode: optional(literal('blue', 'green')),
});

test('a good value is decoded, defaults filled in', () => {
  assert.deepEqual(Settings.decode({ name: 'shop', health: { path: '/up' } }, ''), {
    name: 'shop',
    health: { path: '/up', seconds: 10 },
    env: {},
    domains: [],
  });
});

const BAD: readonly (readonly [unknown, string, RegExp])[] = [
  [{}, 'name', /Key "name" is missing/],
  [{ name: 5 }, 'name', /Key "name" is a number, want a string/],
  [{ name: 'Shop' }, 'name', /Key "name" is "Shop", want lower-case letters/],
  [{ name: 'a', helth: {} }, 'helth', /Unknown key "helth": did you mean "health"\?/],
  [{ name: 'a', health: { pth: '' } }, 'health.pth', /Unknown key "health\.pth"/],
  [{ name: 'a', health: { path: '/', seconds: 0 } }, 'health.seconds', /is 0, want 1 to 60/],
  [{ name: 'a', health: { path: '/', seconds: 1.5 } }, 'health.seconds', /want a whole number/],
  [{ name: 'a', env: { lower: 'x' } }, 'env.lower', /Name "lower" in "env" is not valid/],
  [{ name: 'a', env: { A: 1 } }, 'env.A', /Key "env\.A" is a number, want a string/],
  [{ name: 'a', domains: ['x', 'y', 'z'] }, 'domains', /has 3 items, at most 2/],
  [{ name: 'a', domains: [null] }, 'domains[0]', /Key "domains\[0\]" is null/],
  [{ name: 'a', mode: 'blu' }, 'mode', /want one of blue, green/],
  [[], 'the value', /is a list, want an object/],
  [{ name: 'a', __proto__: null, toString: 1 }, 'toString', /Unknown key "toString"/],
];

for (const [value, key, message] of BAD) {
  test(`${JSON.stringify(value)} is refused at "${key}"`, () => {
    assert.throws(
      () => Settings.decode(value, ''),
      (error: unknown) =>
        error instanceof ConfigError && error.key === key && message.test(error.message),
    );
  });
}

test('a union is told apart by its tag', () => {
  type Shape = { readonly kind: 'circle'; readonly r: number } | { readonly kind: 'dot' };
  const Shape = union<Shape, 'kind'>('kind', {
    circle: object({ kind: literal('circle'), r: integer({ min: 0, max: 9 }) }),
    dot: object({ kind: literal('dot') }),
  });
  assert.deepEqual(Shape.decode({ kind: 'circle', r: 3 }, ''), { kind: 'circle', r: 3 });
  assert.throws(() => Shape.decode({ kind: 'dot', r: 3 }, 'shape'), /Unknown key "shape\.r"/);
  assert.throws(() => Shape.decode({ kind: 'cirle' }, ''), /want one of circle, dot/);
});

test('the same description gives the JSON Schema', () => {
  assert.deepEqual(Health.json, {
    type: 'object',
    additionalProperties: false,
    required: ['path'],
    properties: {
      path: { type: 'string' },
      seconds: { type: 'integer', minimum: 1, maximum: 60, default: 10 },
    },
  });
});

test('every name of a record is kept, also one that JavaScript has plans for', () => {
  const names = record(string()).decode(JSON.parse('{"__proto__":"a","constructor":"b"}'), '');
  assert.deepEqual(Object.entries(names), [
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
});
