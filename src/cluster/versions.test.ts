import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { misfitOf, type Spoken, spokenBy } from './versions.ts';

const spoken = (protocol: number, protocolMin: number): Spoken => ({
  protocol,
  protocolMin,
  version: `${protocol}.0.0`,
});

test('two versions fit when each works with what the other one speaks', () => {
  const cases: readonly (readonly [Spoken, Spoken, string | undefined])[] = [
    [spoken(1, 1), spoken(1, 1), undefined],
    [spoken(2, 1), spoken(1, 1), undefined],
    [spoken(1, 1), spoken(2, 1), undefined],
    [spoken(1, 1), spoken(3, 2), 'CLUSTER_VERSION_TOO_OLD'],
    [spoken(3, 2), spoken(1, 1), 'CLUSTER_VERSION_TOO_NEW'],
  ];
  for (const [own, other, code] of cases) {
    const misfit = misfitOf(own, { id: 'x', name: 'one', more: [], ...other });
    assert.equal(misfit?.code, code);
    if (misfit !== undefined) assert.match(misfit.message, /"one" has \d\.0\.0$/);
  }
});

test('this program fits itself, and what is no answer is refused', () => {
  const own = spokenBy('0.1.0');
  assert.equal(misfitOf(own, { name: 'one', ...own }), undefined);
  for (const hello of [undefined, {}, { name: 'one', version: '1', protocol: 'x' }]) {
    assert.throws(() => misfitOf(own, hello), isMolnError);
  }
});
