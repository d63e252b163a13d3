import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Box, TopologyNode } from './topology-layout.ts';
import { layoutTopology, linkWidth } from './topology-layout.ts';

function node(name: string, region: string, chips: number): TopologyNode {
  return {
    name,
    region,
    state: 'ready',
    notes: [],
    chips: Array.from({ length: chips }, (_, index) => ({
      key: `${name}-${index}`,
      app: 'guestbook',
      text: 'guestbook',
      state: 'healthy',
    })),
  };
}

function inside(inner: Box, outer: Box): boolean {
  return (
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width + 0.01 &&
    inner.y + inner.height <= outer.y + outer.height + 0.01
  );
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

test('cards stay inside their regions and chips inside their cards, at every width', () => {
  const nodes = [
    node('one', 'east', 2),
    node('two', 'east', 9),
    node('three', 'west', 0),
    node('four', 'north', 40),
  ];
  for (let width = 300; width <= 1600; width += 50) {
    const layout = layoutTopology(nodes, width);
    const picture = { x: 0, y: 0, width, height: layout.height };
    for (const region of layout.regions) assert.ok(inside(region, picture), `width ${width}`);
    layout.nodes.forEach((card, index) => {
      const region = layout.regions.find((one) => one.name === card.node.region);
      assert.ok(region !== undefined && inside(card, region), `width ${width}`);
      for (const chip of card.chips) assert.ok(inside(chip, card), `width ${width}`);
      for (const other of layout.nodes.slice(index + 1)) {
        assert.ok(!overlap(card, other), `width ${width}`);
      }
    });
  }
});

test('too many chips are counted', () => {
  const layout = layoutTopology([node('one', 'east', 40)], 600);
  assert.equal(layout.nodes[0]?.chips.length, 24);
  assert.equal(layout.nodes[0]?.more, 16);
});

test('links grow with traffic and stay within reason', () => {
  assert.ok(linkWidth(0) > 0);
  assert.ok(linkWidth(100) > linkWidth(1));
  assert.ok(linkWidth(1e9) <= 9);
});

test('a region with more nodes gets more room, and one node does not fill a wide screen', () => {
  const nodes = Array.from({ length: 12 }, (_, index) =>
    node(`n${index}`, index < 9 ? 'east' : 'west', 2),
  );
  const [east, west] = layoutTopology(nodes, 1290).regions;
  assert.ok(east !== undefined && west !== undefined && east.width > 1.5 * west.width);
  assert.ok(layoutTopology(nodes, 1290).height < 600);
  const [alone] = layoutTopology([node('one', 'east', 1)], 1290).regions;
  assert.ok(alone !== undefined && alone.width < 600);
  assert.ok(Math.abs(alone.x + alone.width / 2 - 1290 / 2) < 1);
});

test('nodes that are away do not count as serving', () => {
  const away = { ...node('two', 'east', 0), state: 'lost' };
  const [region] = layoutTopology([node('one', 'east', 1), away], 800).regions;
  assert.deepEqual([region?.serving, region?.nodes], [1, 2]);
});
