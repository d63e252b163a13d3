import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withDocument } from './dispatcher.ts';
import { openApiDocument } from './openapi.ts';
import { OPERATIONS } from './operations/operations.ts';

type Json = Readonly<Record<string, unknown>>;

const operations = withDocument(OPERATIONS, '0.1.0');
const document = openApiDocument(operations, '0.1.0');
const paths = document['paths'] as Readonly<Record<string, Readonly<Record<string, Json>>>>;
const described = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

function* everyObject(value: unknown): Generator<Json> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as Json;
  for (const inner of Object.values(value)) yield* everyObject(inner);
}

test('the document is OpenAPI 3.1 and plain JSON', () => {
  assert.equal(document['openapi'], '3.1.0');
  assert.deepEqual(JSON.parse(JSON.stringify(document)), document);
  const info = document['info'] as Json;
  assert.deepEqual([info['title'], info['version']], ['Moln', '0.1.0']);
});

test('every operation of the table is described once, itself included', () => {
  assert.equal(described.length, operations.length);
  const ids = described.map(({ operation }) => operation['operationId']);
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.includes('getOpenApi'));
});

test('every operation has words, answers, failures and its scope', () => {
  for (const { operation, path, method } of described) {
    const where = `${method} ${path}`;
    assert.match(String(operation['summary']), /^[A-Z].{5,}[^.]$/, where);
    assert.match(String(operation['description']), /Needs (?:scope `\w+`|no token)\.$/, where);
    const answers = Object.keys(operation['responses'] as Json);
    assert.ok(
      answers.some((status) => /^2\d\d$/.test(status)),
      where,
    );
    assert.ok(answers.includes('default'), where);
    const open = (operation['security'] as readonly unknown[]).length === 0;
    assert.equal(open, path === '/healthz', where);
    assert.equal(answers.includes('401'), !open, where);
  }
});

test('path parameters are those of the path, all described and required', () => {
  for (const { operation, path } of described) {
    const wanted = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const parameters = operation['parameters'] as readonly Json[];
    const inPath = parameters.filter((parameter) => parameter['in'] === 'path');
    assert.deepEqual(
      inPath.map((parameter) => parameter['name']),
      wanted,
      path,
    );
    for (const parameter of inPath) assert.equal(parameter['required'], true, path);
    for (const parameter of parameters) assert.ok(parameter['description'], path);
  }
});

test('every reference leads somewhere and every named shape is used', () => {
  const { schemas } = document['components'] as { readonly schemas: Json };
  const used = new Set<string>();
  for (const node of everyObject(document)) {
    const reference = node['$ref'];
    if (typeof reference !== 'string') continue;
    const name = reference.replace('#/components/schemas/', '');
    assert.ok(Object.hasOwn(schemas, name), reference);
    used.add(name);
  }
  assert.deepEqual([...used].sort(), Object.keys(schemas).sort());
});

test('required keys of a shape are among its properties', () => {
  for (const node of everyObject(document)) {
    const { required, properties } = node;
    if (!Array.isArray(required) || properties === undefined) continue;
    for (const key of required)
      assert.ok(Object.hasOwn(properties as Json, String(key)), String(key));
  }
});

test('requests are strict, answers may grow', () => {
  const scale = paths['/api/apps/{app}/scale']?.['post'] ?? {};
  const body = JSON.stringify(scale['requestBody']);
  assert.match(body, /"additionalProperties":false/);
  assert.doesNotMatch(JSON.stringify(document['components']), /"additionalProperties":false/);
});
