import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Regions } from './balancing/regions.ts';
import { flowsSince, merged, regionFlows } from './region-flows.ts';

interface Place {
  use: number;
}

function regionsOf(own: string, near: Place, far: Place): Regions<Place> {
  const made = Regions.of({
    own,
    all: [near, far],
    configs: [{ region: 'east' }, { region: 'west' }],
    before: undefined,
    useOf: ({ use }) => use,
    isProbed: () => false,
  });
  assert(made !== undefined);
  return made;
}

test('what spills over is told by region, and nothing is told where there is one region', () => {
  const near = { use: 0.2 };
  const far = { use: 0.1 };
  const regions = regionsOf('east', near, far);
  const routes = [
    { regions, balancer: undefined },
    { regions: undefined, balancer: undefined },
  ];
  assert.deepEqual(regionFlows(routes), []);
  for (let index = 0; index < 3; index++) regions.narrow([near, far], 0, 0.5);
  const before = regionFlows(routes);
  assert.deepEqual(before, [{ from: 'east', to: 'east', requests: 3 }]);
  // Nobody at home is to be asked any more.
  for (let index = 0; index < 5; index++) regions.narrow([far], 1, 0.5);
  assert.deepEqual(flowsSince(before, regionFlows(routes)), [
    { from: 'east', to: 'west', requests: 5 },
  ]);
});

test('flows of several processes are one', () => {
  const flow = { from: 'east', to: 'west', requests: 2 };
  const home = { from: 'east', to: 'east', requests: 1 };
  assert.deepEqual(merged([flow, home, flow]), [home, { ...flow, requests: 4 }]);
  assert.deepEqual(flowsSince([flow], []), [], 'its route went');
});
