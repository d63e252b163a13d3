import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from './balance.ts';
import { type KeyMember, nextStep, ownersOf, type Owners, type Tier } from './key-owner.ts';
import { textHash } from './text-hash.ts';

const REGIONS = ['east', 'west', 'north'];
const KEYS = Array.from({ length: 3000 }, (_, at) => `app/a@1 http://a.test/${at}`);

function member(id: string, region: string): KeyMember {
  return { id, region, hash: textHash(id) };
}

/** Nodes over the regions, two processes each. */
function members(nodes: number): readonly KeyMember[] {
  return Array.from({ length: nodes }, (_, node) =>
    [1, 2].map((worker) => member(`n${node}/${worker}`, REGIONS[node % 3] ?? '')),
  ).flat();
}

function owners(key: string, all: readonly KeyMember[], region: string): Owners<KeyMember> {
  return ownersOf(key, all, { region, isUsable: () => true });
}

test('all agree, whatever the order in which they know each other', () => {
  const all = members(9);
  const random = createRandom(7);
  for (const key of KEYS.slice(0, 300)) {
    const shuffled = all.toSorted(() => random() - 0.5);
    for (const region of REGIONS) {
      assert.deepEqual(owners(key, shuffled, region), owners(key, all, region));
    }
    const { cluster } = owners(key, all, 'east');
    assert.equal(owners(key, all, cluster?.region ?? '').region, cluster, 'its region agrees');
  }
});

test('each has about its share', () => {
  const all = members(6);
  const counts = new Map<string, number>();
  for (const key of KEYS) {
    const id = owners(key, all, 'east').cluster?.id ?? '';
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  const fair = KEYS.length / all.length;
  assert.equal(counts.size, all.length);
  for (const [id, count] of counts) {
    assert.ok(count > fair * 0.75 && count < fair * 1.25, `${id} has ${count} of ${KEYS.length}`);
  }
});

test('when one goes, its keys alone move; when it is passed over for a moment, too', () => {
  const all = members(6);
  for (const gone of all) {
    const left = all.filter((one) => one !== gone);
    for (const key of KEYS.slice(0, 500)) {
      const isUsable = (one: KeyMember): boolean => one !== gone;
      for (const region of REGIONS) {
        const before = owners(key, all, region);
        const after = owners(key, left, region);
        assert.deepEqual(ownersOf(key, all, { region, isUsable }), after);
        for (const tier of ['region', 'cluster'] as const) {
          if (before[tier] === gone) assert.notEqual(after[tier], gone);
          else assert.equal(after[tier], before[tier]);
        }
      }
    }
  }
});

const [A, B, C] = [member('a', 'east'), member('b', 'east'), member('c', 'west')];

interface Case {
  readonly is: string;
  readonly owners: readonly [KeyMember | undefined, KeyMember | undefined];
  readonly self: KeyMember;
  readonly asked: Tier | undefined;
  readonly want: readonly [KeyMember, Tier] | undefined;
}

const CASES: readonly Case[] = [
  { is: 'the owner of all', owners: [A, A], self: A, asked: undefined, want: undefined },
  { is: 'a neighbour of it', owners: [A, A], self: B, asked: undefined, want: [A, 'cluster'] },
  { is: 'its region’s owner', owners: [B, C], self: B, asked: undefined, want: [C, 'cluster'] },
  { is: 'a neighbour of that', owners: [B, C], self: A, asked: undefined, want: [B, 'region'] },
  { is: 'asked for a region', owners: [B, C], self: B, asked: 'region', want: [C, 'cluster'] },
  { is: 'by mistake', owners: [B, C], self: A, asked: 'region', want: [C, 'cluster'] },
  { is: 'asked for all', owners: [A, A], self: A, asked: 'cluster', want: undefined },
  { is: 'for all by mistake', owners: [B, C], self: A, asked: 'cluster', want: undefined },
  {
    is: 'without anybody',
    owners: [undefined, undefined],
    self: A,
    asked: undefined,
    want: undefined,
  },
];

for (const {
  is,
  owners: [region, cluster],
  self,
  asked,
  want,
} of CASES) {
  test(`whom to ask: ${is}`, () => {
    const step = nextStep({ region, cluster }, self, asked);
    assert.deepEqual(step && [step.member, step.tier], want);
  });
}

test('whatever each believes of the others, a question goes on twice at most', () => {
  const all = members(6);
  const random = createRandom(11);
  for (const key of KEYS.slice(0, 500)) {
    let self = all[Math.floor(random() * all.length)];
    let asked: Tier | undefined;
    for (let hops = 0; ; hops++) {
      assert.ok(self !== undefined && hops <= 2, `${hops} hops`);
      const { region } = self;
      // Everybody has another picture of who is there.
      const believed = all.filter((one) => one === self || random() < 0.6);
      const step = nextStep(owners(key, believed, region), self, asked);
      if (step === undefined) break;
      asked = step.tier;
      self = step.member;
    }
  }
});
