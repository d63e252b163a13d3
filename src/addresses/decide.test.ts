import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide, type Deciding, type DecidingNode, type Decision } from './decide.ts';
import { fenceMs, HOLDER_TTL_MS, TURN_MS } from './limits.ts';

const ADDRESS = '10.0.0.50';
const OTHER = '10.0.0.51';

function node(id: string, over: Partial<DecidingNode> = {}): DecidingNode {
  return { id, name: id, state: 'ready', whyNot: { [ADDRESS]: '', [OTHER]: '' }, ...over };
}

const ALL = [node('a'), node('b'), node('c')];

function held(by: string, ended = ''): Deciding['holders'] {
  return new Map([[ADDRESS, { nodeId: by, ended }]]);
}

function decided(over: Partial<Deciding>): Decision {
  return decide({
    self: 'a',
    isLeaving: false,
    nodes: ALL,
    addresses: [{ address: ADDRESS, nodes: [] }],
    holders: new Map(),
    freeMs: new Map(),
    ...over,
  });
}

/** Who takes it at once. */
function takers(over: Partial<Deciding>): string {
  return ALL.map(({ id }) => id)
    .filter((self) => decided({ ...over, self }).take.includes(ADDRESS))
    .join(' ');
}

/** What the holder does. */
function given(over: Partial<Deciding>): string | undefined {
  return decided({ holders: held('a'), ...over }).giveBack[0]?.why;
}

test('the kernel lets go before the registry does', () => {
  assert.ok(fenceMs() <= HOLDER_TTL_MS, `${fenceMs()} ms of ${HOLDER_TTL_MS}`);
});

test('one takes what nobody holds, the others wait for their turn', () => {
  const first = takers({});
  assert.match(first, /^[abc]$/);
  const second = ALL.map(({ id }) => id).filter((self) => {
    return decided({ self, freeMs: new Map([[ADDRESS, TURN_MS]]) }).take.length > 0;
  });
  assert.equal(second.length, 2, 'after a turn the next one too');
  const rest = ALL.map(({ id }) => decided({ self: id }).againMs).sort((a, b) => a - b);
  assert.deepEqual(rest, [TURN_MS, 2 * TURN_MS, Infinity]);
});

test('whose turn it is', () => {
  const only = (id: string, over: Partial<DecidingNode>): readonly DecidingNode[] =>
    ALL.map((one) => (one.id === id ? one : node(one.id, over)));
  assert.equal(takers({ nodes: only('b', { state: 'away' }) }), 'b');
  assert.equal(takers({ nodes: only('c', { state: 'draining' }) }), 'c');
  assert.equal(takers({ nodes: only('a', { whyNot: { [ADDRESS]: 'it has no cable' } }) }), 'a');
  assert.equal(takers({ nodes: only('b', { whyNot: {} }) }), 'b', 'others have not looked yet');
  assert.equal(takers({ addresses: [{ address: ADDRESS, nodes: ['c'] }] }), 'c');
  assert.equal(takers({ nodes: ALL.map(({ id }) => node(id, { whyNot: {} })) }), '');
  assert.equal(takers({ holders: held('b') }), '', 'it is held');
  const back = takers({ holders: held('b', 'stopped') });
  assert.match(back, /^[ac]$/, 'who gave it back is last');
  assert.equal(takers({ nodes: [node('a', { state: 'draining' })] }), 'a', 'better than nobody');
  const first = takers({});
  assert.equal(decided({ self: first, isLeaving: true }).take.length, 0);
});

test('two addresses go to two nodes', () => {
  const addresses = [ADDRESS, OTHER].map((address) => ({ address, nodes: [] }));
  const counts = ALL.map(({ id }) => decided({ self: id, addresses }).take.length);
  assert.deepEqual(
    counts.toSorted((a, b) => a - b),
    [0, 1, 1],
  );
});

test('what a holder gives back, and why', () => {
  const a = (over: Partial<DecidingNode>): readonly DecidingNode[] => [node('a', over), node('b')];
  const gone = { whyNot: { [ADDRESS]: 'its interface "eth0" is down' } };
  assert.equal(given({}), undefined);
  assert.equal(given({ nodes: a({ state: 'draining' }) }), 'gave it back, for it is to be drained');
  assert.equal(given({ nodes: a(gone) }), 'gave it back: its interface "eth0" is down');
  assert.equal(given({ nodes: [node('a', gone)] }), undefined, 'nobody else could');
  assert.equal(given({ isLeaving: true, nodes: [node('a')] }), 'stopped');
  assert.equal(given({ addresses: [] }), 'let it go, for it was removed');
  assert.equal(given({ addresses: [], holders: held('b') }), undefined, 'not its own');
  assert.equal(given({ addresses: [], holders: held('a', 'stopped') }), undefined);
});
