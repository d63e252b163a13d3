/** Policies and where they put copies, by tables. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { asItCanBe, choose, judge, mayFit, type Place, ranked } from './placement.ts';
import { codeText, parsePolicy, slotText } from './policy.ts';

const GIB: number = 1024 ** 3;

/** `node/backend region zone label…`, state after `=`. */
function place(text: string, freeBytes = 100 * GIB): Place {
  const [words = '', state = 'good'] = text.split('=');
  const [id = '', region = 'home', zone = 'z', ...labels] = words.split(' ');
  const node = id.split('/')[0] ?? '';
  return {
    id,
    node,
    name: node,
    region,
    zone,
    labels: new Set(labels),
    freeBytes,
    state: state as Place['state'],
  };
}

test('policies are read', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['2 copies', 'any, any · - · min 2'],
    ['1 copy', 'any · - · min 1'],
    ['3 copies across zone', 'any, any, any · zone · min 2'],
    ['2 copies: east, west', 'east, west · - · min 2'],
    ['3: east', 'east, any, any · - · min 2'],
    ['east & ssd, !east', 'east & ssd, !east · - · min 2'],
    ['2 across host; ack 1', 'any, any · host · min 1'],
    ['3 copies; ack all; must', 'any, any, any · - · min 3 · must'],
    ['ec 4+2', 'any, any · - · min 2 · 4+2 across host after 0 h'],
    ['ec 2+1 across storage after 12h', 'any, any · - · min 2 · 2+1 across place after 12 h'],
    [
      '3 across zone; ec 6 + 3 after 30d; min 1',
      'any, any, any · zone · min 1 · 6+3 across host after 720 h',
    ],
  ];
  for (const [text, wanted] of rows) {
    const { slots, across, min, isMust, coded } = parsePolicy(text);
    const seen = `${slots.map((slot) => slotText(slot)).join(', ')} · ${across ?? '-'} · min ${min}${isMust ? ' · must' : ''}`;
    const { code, afterMs = 0 } = coded ?? {};
    const shares =
      code === undefined
        ? ''
        : ` · ${codeText(code)} across ${coded?.across} after ${afterMs / 3_600_000} h`;
    assert.equal(`${seen}${shares}`, wanted, text);
  }
});

test('what is no policy is refused with what is wrong', () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['', /0 copies/],
    ['0 copies', /0 copies/],
    ['10 copies', /10 copies/],
    ['2 copies across planet', /"planet"/],
    ['1 copy: east, west', /2 places for 1/],
    ['2 copies; min 3', /3 of 2/],
    ['2 copies; fast', /"fast"/],
    ['ec 4', /is not as/],
    ['ec 1+1', /2 shares of data at least/],
    ['ec 4+0', /1 of parity/],
    ['ec 18+3', /20 together/],
    ['ec 4+2 after 5y', /is not as/],
    ['ec 4+2 across planet', /"planet"/],
    ['ec 4+2; ec 6+3', /twice/],
    ['ea st', /"ea st"/],
  ];
  for (const [text, why] of rows)
    assert.throws(
      () => parsePolicy(text),
      (error) => isMolnError(error, 'FILES_POLICY') && why.test(error.message),
      text,
    );
});

test('copies are judged by the policy', () => {
  const rows: readonly (readonly [string, readonly string[], string])[] = [
    ['2 copies', ['a/1', 'b/1'], 'met · survives 1'],
    ['2 copies', ['a/1'], 'lacks any · survives 0'],
    // Two disks of one machine are better than one, and one failure.
    ['2 copies', ['a/1', 'a/2'], 'met · survives 0'],
    ['2 copies across host', ['a/1', 'a/2'], 'lacks another host · surplus a/2 · survives 0'],
    ['3 across region', ['a/1 east', 'b/1 west'], 'lacks another region · survives 1'],
    ['2 copies: east, west', ['a/1 east', 'b/1 east'], 'lacks west · surplus b/1 · survives 1'],
    ['2 copies', ['a/1', 'b/1=lost'], 'lacks any · survives 0'],
    ['2 copies', ['a/1', 'b/1=away'], 'met · survives 1'],
    ['2 copies', ['a/1', 'b/1=drain'], 'lacks any · surplus b/1 · survives 1'],
    ['1 copy', ['a/1', 'b/1'], 'met · surplus b/1 · survives 1'],
    // The one that fits both leaves its slot to the one that fits only this.
    ['2: east & ssd, east', ['a/1 east z ssd', 'b/1 east'], 'met · survives 1'],
    ['2: east, east & ssd', ['a/1 east z ssd', 'b/1 east'], 'met · survives 1'],
  ];
  for (const [text, copies, wanted] of rows) {
    const verdict = judge(
      parsePolicy(text),
      copies.map((one) => place(one)),
    );
    const words = [
      verdict.isSatisfied ? 'met' : `lacks ${verdict.missing.join(', ')}`,
      ...(verdict.surplus.length > 0
        ? [`surplus ${verdict.surplus.map(({ id }) => id).join()}`]
        : []),
      `survives ${verdict.survives}`,
    ];
    assert.equal(words.join(' · '), wanted, `${text}: ${copies.join(', ')}`);
  }
});

test('copies on two disks of one machine move apart when there is another machine', () => {
  const policy = parsePolicy('2 copies');
  const disks = [place('a/1'), place('a/2')];
  assert.equal(judge(asItCanBe(policy, disks), disks).isSatisfied, true);
  const all = [...disks, place('b/1')];
  const now = asItCanBe(policy, all);
  assert.equal(judge(now, disks).isSatisfied, false);
  const wanted = choose(now, { cid: '00', places: all, have: disks });
  assert.deepEqual(
    wanted.map(({ id }) => id),
    ['b/1'],
  );
});

test('new places complete what there is', () => {
  const all = ['a/1 east', 'b/1 east', 'c/1 west', 'd/1 west=full', 'e/1 west=away'].map((one) =>
    place(one),
  );
  const rows: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['2 copies: east, west', [], /^(a|b)\/1 c\/1$/],
    ['2 copies: east, west', ['c/1'], /^(a|b)\/1$/],
    ['2 copies across region', ['a/1'], /^c\/1$/],
    ['4 copies across region', [], /^(a|b|c)\/1 (a|b|c)\/1$/],
    ['1 copy', ['a/1'], /^$/],
    ['2: d, e', [], /^$/],
  ];
  for (const [text, have, wanted] of rows) {
    const chosen = choose(parsePolicy(text), {
      cid: '00',
      places: all,
      have: all.filter(({ id }) => have.includes(id)),
    });
    assert.match(
      chosen
        .map(({ id }) => id)
        .toSorted()
        .join(' '),
      wanted,
      `${text} ${have.join()}`,
    );
  }
});

test('blocks spread by the room that there is, and stay where they are when a place joins', () => {
  const places = [place('a/1', 100 * GIB), place('b/1', 200 * GIB), place('c/1', 100 * GIB)];
  const counts = new Map<string, number>();
  let moved = 0;
  const blocks = 4000;
  for (let at = 0; at < blocks; at += 1) {
    const cid = at.toString(16).padStart(32, '0');
    const [first] = ranked(cid, places);
    counts.set(first?.id ?? '', (counts.get(first?.id ?? '') ?? 0) + 1);
    const [now] = ranked(cid, [...places, place('d/1', 100 * GIB)]);
    if (now?.id !== first?.id) {
      moved += 1;
      assert.equal(now?.id, 'd/1');
    }
  }
  const share = (id: string): number => (counts.get(id) ?? 0) / blocks;
  assert.ok(Math.abs(share('b/1') - 0.5) < 0.03, `b has ${share('b/1')}`);
  assert.ok(Math.abs(share('a/1') - 0.25) < 0.03, `a has ${share('a/1')}`);
  assert.ok(Math.abs(moved / blocks - 0.2) < 0.03, `${moved} would go to the new one`);
});

test('what cannot have room is known before it comes', () => {
  const rows: readonly (readonly [string, readonly Place[], boolean])[] = [
    ['2 copies', [place('a', 10), place('b', 5)], true],
    ['2 copies', [place('a', 9), place('b', 0)], false],
    ['2 copies', [place('a', 6), place('b', 4)], true],
    ['2 copies', [place('a', 6), place('b=full', 9)], false],
    ['2 copies', [place('a', 6), place('b=away', 9)], true],
    ['2 copies', [place('a', 6), place('b=lost', 9)], false],
    ['2 copies; must', [place('a', 10), place('b', 9)], false],
    ['2 copies; must', [place('a', 10), place('b', 10)], true],
    // That there is one place only is said by the policy's own refusal.
    ['2 copies; must', [place('a', 10)], true],
  ];
  for (const [policy, places, fits] of rows)
    assert.equal(mayFit(parsePolicy(policy), places, 10), fits, `${policy} ${places.length}`);
});
