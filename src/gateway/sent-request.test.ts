import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeptHead } from './kept-head.ts';
import { ASKING } from './limits.ts';
import { SentRequest } from './sent-request.ts';

test('what was sent of a body is held with the head, and none of it once it is too much', () => {
  const sent = new SentRequest();
  const head = KeptHead.take();
  head.text('HEAD');
  sent.begin(head);
  const take = (body: Buffer): void => {
    sent.bodyBytes += body.length;
    sent.hold(body, 0, body.length, true);
  };
  take(Buffer.from('hello'));
  assert.equal(sent.headText, 'HEAD5\r\nhello\r\n');
  take(Buffer.alloc(ASKING.heldBytesMax - 'hello'.length, 'x'));
  assert.equal(sent.isRepeatable, true);
  take(Buffer.from('x'));
  assert.deepEqual([sent.isRepeatable, sent.headText], [false, '']);
});
