/** What every tier of the cache must do, as one function for `node:test`. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Entry,
  PieceBody,
  smallBody,
  Stored,
  type Tier,
  type Variants,
} from '../src/cache/cache.ts';
import { seeded } from './seeded.ts';

export interface TierUnderTest extends AsyncDisposable {
  readonly tier: Tier;
}

/** Bytes of a body that is told from all others, in pieces of 64 KiB when it has more. */
export function bodyOf(name: string, length: number): Buffer {
  const line = `${name} `;
  return Buffer.alloc(length, line.repeat(Math.ceil(1024 / line.length)));
}

export function storedOf(
  key: string,
  body: Buffer,
  changes: Partial<Entry> & { readonly stamp?: number } = {},
): Stored {
  const entry = new Entry({
    status: 200,
    bits: 4,
    head: 'Date: Fri, 20 Nov 2026 12:00:00 GMT\r\nX-Latin: \u00e9\u00ff\r\nContent-Type: text/plain\r\n',
    notModifiedEnd: 37,
    typeStart: 50,
    bornMs: 1_795_176_000_123.5,
    lifetimeS: 60,
    staleWhileRevalidateS: 5,
    staleIfErrorS: 7,
    dateS: 1_795_176_000,
    lastModifiedS: -1,
    etag: '"e"',
    varyNames: [],
    varyValues: '',
    length: body.length,
    spans: undefined,
    cacheStatus: '',
    tags: ['t', 'u'],
    ...changes,
  });
  const PIECE = 64 * 1024;
  if (body.length <= PIECE) return new Stored(key, entry, smallBody(body), changes.stamp ?? 1);
  const pieces = [];
  for (let at = 0; at < body.length; at += PIECE) {
    const bytes = body.subarray(at, at + PIECE);
    pieces.push({ bytes, block: undefined, from: 0, length: bytes.length });
  }
  return new Stored(key, entry, PieceBody.of(pieces), changes.stamp ?? 1);
}

export async function readBody(
  stored: Stored,
  from = 0,
  to: number = stored.body.bytes,
): Promise<Buffer | 'broken'> {
  const chunks: Buffer[] = [];
  let waking = Promise.withResolvers<void>();
  const reader = stored.body.read({ from, to }, () => waking.resolve());
  try {
    for (;;) {
      const read = reader.next();
      if (read === 'end') return Buffer.concat(chunks);
      if (read === 'broken') return read;
      if (read === 'wait') {
        await waking.promise;
        waking = Promise.withResolvers();
      } else chunks.push(read);
    }
  } finally {
    reader.close();
  }
}

export function listed(variants: Variants | undefined): readonly Stored[] {
  if (variants === undefined) return [];
  return variants instanceof Stored ? [variants] : variants;
}

/** Entries and bytes of what is under a key; a body that cannot be read counts as not there. */
export async function contents(tier: Tier, key: string): Promise<[Entry, number, string][]> {
  const found: [Entry, number, string][] = [];
  for (const stored of listed(await tier.find(key))) {
    assert.equal(stored.key, key);
    const body = await readBody(stored);
    if (body !== 'broken') found.push([stored.entry, stored.stamp, body.toString('latin1')]);
  }
  return found;
}

const plain = (stored: Stored, body: Buffer): [Entry, number, string] => [
  stored.entry,
  stored.stamp,
  body.toString('latin1'),
];

/** `make` gives an empty tier of `bytesMax` bytes. */
export function testTier(name: string, make: (bytesMax: number) => Promise<TierUnderTest>): void {
  const check = (
    title: string,
    run: (tier: Tier) => Promise<void>,
    bytesMax = 32 * 1024 * 1024,
  ): void => {
    test(title, async () => {
      await using on = await make(bytesMax);
      await run(on.tier);
    });
  };

  describe(`tier ${name}`, () => {
    check('has nothing at first', async (tier) => {
      assert.equal(tier.mayHold('a'), false);
      assert.equal(await tier.find('a'), undefined);
      assert.equal(tier.stats.keys, 0);
    });

    for (const length of [0, 1, 1000, 4096, 4097, 64 * 1024, 64 * 1024 + 1, 1_000_000]) {
      check(`gives back what was set, entry and ${length} bytes`, async (tier) => {
        const body = bodyOf('one', length);
        const stored = storedOf('a', body, { stamp: 17 });
        await tier.set('a', [stored]);
        assert.equal(tier.mayHold('a'), true);
        assert.deepEqual(await contents(tier, 'a'), [plain(stored, body)]);
        assert.deepEqual(await contents(tier, 'b'), []);
      });
    }

    check('gives any section of a body', async (tier) => {
      const body = bodyOf('section', 200_000);
      await tier.set('a', [storedOf('a', body)]);
      const [stored] = listed(await tier.find('a'));
      assert(stored !== undefined);
      for (const [from, to] of [
        [0, 1],
        [65_535, 65_537],
        [100_000, 200_000],
        [199_999, 200_000],
        [5, 5],
      ] as const) {
        assert.deepEqual(await readBody(stored, from, to), body.subarray(from, to));
      }
    });

    check('keeps a part as a part', async (tier) => {
      const body = bodyOf('part', 100);
      const spans = [{ first: 50, last: 149 }];
      const stored = storedOf('a', body, { length: 1000, spans });
      await tier.set('a', [stored]);
      assert.deepEqual(await contents(tier, 'a'), [plain(stored, body)]);
    });

    check('keeps variants in their order, and replaces all at once', async (tier) => {
      const bodies = ['x', 'y', 'z'].map((text) => bodyOf(text, 100));
      const variants = bodies.map((body, index) =>
        storedOf('a', body, { varyNames: ['accept'], varyValues: `${index}\n` }),
      );
      await tier.set('a', variants);
      assert.deepEqual(
        await contents(tier, 'a'),
        variants.map((one, index) => plain(one, bodies[index] ?? Buffer.alloc(0))),
      );
      const [, second] = variants;
      assert(second !== undefined);
      await tier.set('a', [second]);
      assert.deepEqual(await contents(tier, 'a'), [plain(second, bodyOf('y', 100))]);
    });

    check('takes a new entry with the body that is there', async (tier) => {
      const body = bodyOf('kept', 100_000);
      await tier.set('a', [storedOf('a', body)]);
      const [stored] = listed(await tier.find('a'));
      assert(stored !== undefined);
      const fresher = stored.with(stored.entry.with({ lifetimeS: 99 }));
      await tier.set('a', [fresher]);
      assert.deepEqual(await contents(tier, 'a'), [plain(fresher, body)]);
    });

    check('removes, and clears', async (tier) => {
      const stored = storedOf('a', bodyOf('gone', 100));
      await tier.set('a', [stored]);
      await tier.set('b', [storedOf('b', bodyOf('stays', 100))]);
      await tier.set('a', []);
      assert.deepEqual(await contents(tier, 'a'), []);
      assert.equal((await contents(tier, 'b')).length, 1);
      await tier.set('a', [stored]);
      assert.equal((await contents(tier, 'a')).length, 1);
      await tier.clear();
      assert.deepEqual(await contents(tier, 'a'), []);
      assert.deepEqual(await contents(tier, 'b'), []);
      assert.equal(tier.stats.keys, 0);
    });

    check('never finds again what was replaced, from the call on', async (tier) => {
      const old = tier.set('a', [storedOf('a', bodyOf('old', 100_000))]);
      const removed = tier.set('a', []);
      assert.deepEqual(await contents(tier, 'a'), []);
      const newer = tier.set('a', [storedOf('a', bodyOf('new', 100))]);
      const seen = await contents(tier, 'a');
      assert(seen.every(([, , body]) => body.startsWith('new')));
      await Promise.all([old, removed, newer]);
      assert.deepEqual(
        (await contents(tier, 'a')).map(([, , body]) => body.slice(0, 3)),
        ['new'],
      );
    });

    check('lets a reader finish what was removed meanwhile', async (tier) => {
      const body = bodyOf('read', 300_000);
      await tier.set('a', [storedOf('a', body)]);
      const [stored] = listed(await tier.find('a'));
      assert(stored !== undefined);
      const reading = readBody(stored);
      await tier.set('a', []);
      await tier.clear();
      assert.deepEqual(await reading, body);
    });

    check(
      'stays within its bytes, and what it gives is right',
      async (tier) => {
        for (let index = 0; index < 400; index++) {
          const key = `k${index}`;
          await tier.set(key, [storedOf(key, bodyOf(key, 20_000))]);
          assert(tier.stats.bytes <= tier.stats.bytesMax, `${tier.stats.bytes} bytes`);
        }
        assert(tier.stats.evicted > 0);
        let there = 0;
        for (let index = 0; index < 400; index++) {
          const found = await contents(tier, `k${index}`);
          for (const [, , body] of found) {
            there++;
            assert.equal(body, bodyOf(`k${index}`, 20_000).toString('latin1'));
          }
        }
        assert(there > 20, `${there} are there`);
      },
      4 * 1024 * 1024,
    );

    check(
      'does not keep the old when the new has no room',
      async (tier) => {
        await tier.set('a', [storedOf('a', bodyOf('old', 100))]);
        await tier.set('a', [storedOf('a', bodyOf('new', 9_000_000))]);
        for (const [, , body] of await contents(tier, 'a')) assert(body.startsWith('new'));
        assert(tier.stats.bytes <= tier.stats.bytesMax);
      },
      4 * 1024 * 1024,
    );

    for (const seed of [1, 2, 3]) {
      check(
        `does what a map would, or forgets (seed ${seed})`,
        (tier) => playRandomly(tier, seed),
        seed === 1 ? 32 * 1024 * 1024 : 3 * 1024 * 1024,
      );
    }
  });
}

async function playRandomly(tier: Tier, seed: number): Promise<void> {
  const random = seeded(seed);
  const model = new Map<string, [Entry, number, string][]>();
  const under: Promise<void>[] = [];
  let found = 0;
  for (let round = 1; round <= 600; round++) {
    const key = `key ${random.below(20)}`;
    const dice = random.next();
    if (dice < 0.5) {
      const variants = Array.from({ length: random.below(4) }, (_, index) => {
        const body = bodyOf(`${round}.${index}`, random.below(random.chance(0.1) ? 200_000 : 3000));
        return { body, stored: storedOf(key, body, { stamp: round, varyValues: String(index) }) };
      });
      const set = tier.set(
        key,
        variants.map(({ stored }) => stored),
      );
      if (set !== undefined) under.push(set);
      model.set(
        key,
        variants.map(({ body, stored }) => plain(stored, body)),
      );
    } else if (dice < 0.51) {
      await tier.clear();
      model.clear();
    } else {
      // Written or not yet: never anything else than what was set last.
      if (random.chance(0.5)) await Promise.all(under.splice(0));
      const expected = new Map((model.get(key) ?? []).map((one) => [one[2], one]));
      for (const one of await contents(tier, key)) {
        assert.deepEqual(one, expected.get(one[2]), `round ${round}`);
        found++;
      }
    }
  }
  await Promise.all(under);
  assert(found > 50, `only ${found} were found`);
}
