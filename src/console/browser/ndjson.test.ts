import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineSplitter, readItems } from './ndjson.ts';

function streamOf(pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

test('items survive any cut, also inside a character', async () => {
  const bytes = new TextEncoder().encode('{"text":"Grüße"}\n\n{"text":"åäö"}\n{"text":"last"}');
  for (let cut = 1; cut < bytes.length; cut++) {
    const items: { text: string }[] = [];
    for await (const item of readItems<{ text: string }>(
      streamOf([bytes.slice(0, cut), bytes.slice(cut)]),
    )) {
      items.push(item);
    }
    assert.deepEqual(
      items.map((item) => item.text),
      ['Grüße', 'åäö', 'last'],
    );
  }
});

test('leaving early cancels the stream', async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('1\n')),
    cancel: () => {
      cancelled = true;
    },
  });
  for await (const item of readItems<number>(body)) {
    assert.equal(item, 1);
    break;
  }
  assert.equal(cancelled, true);
});

test('a line without end is refused', () => {
  const splitter = new LineSplitter();
  assert.throws(() => splitter.push('x'.repeat(5 * 1024 * 1024)), /longer than/);
});
