import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_SPILL, nextSpill, type RegionState, type Spill } from './spill.ts';

const STEP_MS = 1000;

/** `name hosts use` a region, separated by commas; `-` is a use that nobody knows. */
function states(text: string, probed: readonly string[] = []): Map<string, RegionState> {
  return new Map(
    text.split(', ').map((part) => {
      const [name = '', hosts, use] = part.split(' ');
      const known = use === '-' ? undefined : Number(use);
      return [name, { hosts: Number(hosts), use: known, isProbed: probed.includes(name) }];
    }),
  );
}

/** Percent of the requests for each region, after `steps` of the same words. */
function shares(now: Map<string, RegionState>, steps = 100, from: Spill = NO_SPILL): string {
  let spill = from;
  for (let step = 0; step < steps; step++) spill = nextSpill(spill, now, 'home', STEP_MS);
  return said(spill);
}

function said({ regions }: Spill): string {
  const parts = [...regions].map(([name, { share }]) => `${name} ${Math.round(share * 100)}`);
  return parts.toSorted().join(', ');
}

test('the own region has all of them until it is clearly busier than the others', () => {
  assert.equal(shares(states('home 2 0, east 2 0')), 'east 0, home 100');
  assert.equal(shares(states('home 1 0.4, east 9 0.3')), 'east 0, home 100');
  assert.equal(shares(states('home 1 0.9, east 9 0.9')), 'east 0, home 100');
  assert.equal(shares(states('home 1 1, east 1 1')), 'east 0, home 100');
});

test('shares are by the room that the regions have', () => {
  assert.equal(shares(states('home 2 0.7, east 2 0.3, west 2 0.4')), 'east 44, home 19, west 38');
  assert.equal(shares(states('home 1 0.8, east 4 0.6')), 'east 89, home 11');
  assert.equal(shares(states('home 1 1, east 1 0.2')), 'east 100, home 0');
});

test('a region without anybody to ask gets nothing, and the own one without leaves all to the others', () => {
  assert.equal(shares(states('home 2 0.9, east 0 -, west 2 0.4')), 'home 14, west 86');
  assert.equal(shares(states('home 0 -, east 1 0.5, west 1 0.75')), 'east 67, west 33');
  assert.equal(shares(states('east 3 1, west 1 1')), 'east 75, west 25');
  assert.equal(shares(states('home 1 0.5, east 0 -')), 'home 100');
  assert.equal(shares(states('home 0 -, east 0 -')), '');
});

test('who comes back has all of its requests at once', () => {
  let spill = nextSpill(NO_SPILL, states('home 0 -, east 1 0.5'), 'home', STEP_MS);
  assert.equal(said(spill), 'east 100');
  spill = nextSpill(spill, states('home 2 0, east 1 0.5'), 'home', STEP_MS);
  assert.equal(said(spill), 'east 0, home 100');
});

test('a few requests go where only an answer can tell how busy it is', () => {
  assert.equal(shares(states('home 1 0, east 1 0', ['east'])), 'east 3, home 97');
  assert.equal(shares(states('home 1 0, east 1 0', ['home'])), 'east 0, home 100');
});

/** Two regions whose use follows from the shares; what is said of them is two seconds old. */
class Site {
  spill: Spill = NO_SPILL;
  readonly away: number[] = [];
  readonly #late: number[] = [0, 0];

  /** `demand`: in machines, of 4 at home and 4 elsewhere; `other`: what the others have to do besides. */
  run(seconds: number, demand: number, other: number): void {
    for (let second = 0; second < seconds; second++) {
      this.#late.push(this.spill.regions.get('east')?.share ?? 0);
      const share = this.#late.shift() ?? 0;
      const home = Math.min(1, (demand * (1 - share)) / 4);
      const east = Math.min(1, (other + demand * share) / 4);
      this.spill = nextSpill(this.spill, states(`home 4 ${home}, east 4 ${east}`), 'home', STEP_MS);
      this.away.push(this.spill.away);
    }
  }

  /** Difference between the largest and the smallest share of the last `seconds`. */
  swing(seconds: number): number {
    const last = this.away.slice(-seconds);
    return Math.max(...last) - Math.min(...last);
  }
}

for (const [demand, other] of [
  [3.6, 0.8],
  [3.9, 0.1],
  [6, 0],
  [2, 0.4],
] as const) {
  test(`shares come to rest: ${demand} machines' work at home, ${other} elsewhere`, () => {
    const site = new Site();
    site.run(120, demand, other);
    assert.ok(site.spill.away > 0.05, 'some of it has left');
    assert.ok(site.swing(60) < 0.1, `it swings by ${site.swing(60)}`);
    const home = Math.min(1, (demand * (1 - site.spill.away)) / 4);
    const east = (other + demand * site.spill.away) / 4;
    assert.ok(home - east > -0.05 && home - east < 0.2, `${home} here, ${east} there`);
    site.run(180, 0.4, other);
    assert.equal(site.spill.away, 0, 'and all of it comes back when there is room');
  });
}
