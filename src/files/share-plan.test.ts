/** When blocks become shares, what their shares need, and how they become copies again, by tables. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockId, blocksFid, segmentsFid, writtenAt } from './content.ts';
import type { Place } from './placement.ts';
import { parsePolicy } from './policy.ts';
import { type FormPlan, type PlacedBlock, planBlock } from './share-plan.ts';
import { blockOfBlob, codedInsert, codedOf, shareId, shareOf, shareRange } from './shares.ts';

const MIB: number = 1024 * 1024;
const HOUR_MS = 3_600_000;
const NOW: number = Date.UTC(2026, 0, 1);
const fid = blocksFid(NOW - 2 * HOUR_MS);
const block = { bucket: 'b', fid, index: 7, cid: blockId(fid, 7), length: MIB, sha256: 'aa' };
const code = { data: 2, parity: 1 };

function place(text: string): Place {
  const [id = '', state = 'good'] = text.split('=');
  const base = { zone: '', region: '', labels: new Set<string>(), freeBytes: 100 * MIB };
  const node = id.split('/')[0] ?? '';
  return { ...base, id, node, name: id, state: state as Place['state'] };
}

/** `a b | a · b,c ·`: copies, then the places of each share. */
function placed(text: string): PlacedBlock {
  const [copies = '', shares] = text.split('|');
  const ids = (words: string): readonly string[] => words.split(/[\s,]+/).filter((id) => id !== '');
  const sums = ['s0', 's1', 's2'];
  return {
    block,
    places: ids(copies),
    coded: shares === undefined ? undefined : { code, sums, places: shares.split('·').map(ids) },
  };
}

function told({
  tasks,
  surplus,
  forgotten,
  copiesGo,
  sharesGo,
  lacking,
  isLost,
}: FormPlan): string {
  const short = (cid: string): string => String(shareOf(cid)?.number ?? 'whole');
  const words = tasks.map((task) => {
    if ('shares' in task)
      return `encode ${task.shares.map(({ number, to }) => `${number}@${to}`).join(' ')} first ${task.valid}`;
    if ('whole' in task) return `restore ${task.whole} first ${task.valid}`;
    const move = task.instead === undefined ? '' : ` instead ${task.instead}`;
    return `copy ${short(task.block.cid)} ${task.from.join()}>${task.to}${move} first ${task.valid}`;
  });
  const held = (name: string, all: FormPlan['surplus']): readonly string[] =>
    all.map(({ block: of, place: at }) => `${name} ${short(of.cid)}@${at}`);
  return [
    ...words,
    ...held('drop', surplus),
    ...held('forget', forgotten),
    ...copiesGo.map((at) => `copy goes ${at}`),
    ...(sharesGo ? ['shares go'] : []),
    ...(lacking > 0 ? [`lacks ${lacking}`] : []),
    ...(isLost ? ['lost'] : []),
  ].join('; ');
}

test('what a block needs', () => {
  const rows: readonly (readonly [
    policy: string,
    places: string,
    block: string,
    wanted: string,
  ])[] = [
    ['ec 2+1', 'a b', 'a b', ''],
    ['ec 2+1', 'a b c/1 c/2', 'a b', 'encode 0@? 1@? 2@? first Infinity'],
    ['ec 2+1 across storage', 'a/1 a/2 a/3', 'a/1 a/2', 'encode 0@? 1@? 2@? first Infinity'],
    ['ec 2+1', 'a/1 a/2 a/3', 'a/1 a/2', ''],
    ['ec 2+1 after 3h', 'a b c', 'a b', ''],
    ['ec 2+1 after 2h', 'a b c', 'a b', 'encode 0@? 1@? 2@? first Infinity'],
    // Copies that lack come first.
    ['ec 2+1', 'a b c', 'a', 'copy whole a>? first 1'],
    ['ec 2+1', 'a=lost b c', 'a', 'copy whole a>? first 0; copy whole a>? first 0; lost'],
    ['ec 2+1', 'a b c', 'a b | a · b · c', 'copy goes a; copy goes b'],
    ['ec 2+1', 'a b c=away', 'a b | a · b · c', ''],
    ['ec 2+1', 'a b c', '| a · b · c', ''],
    ['ec 2+1', 'a b c d', '| a · b ·', 'encode 2@? first 1'],
    ['ec 2+1', 'a b c', 'a | a · b ·', 'encode 2@c first 2'],
    ['ec 2+1', 'a b c=away d', '| a · b · c', ''],
    ['ec 2+1', 'a b c=lost d', '| a · b · c', 'encode 2@d first 1'],
    ['ec 2+1', 'a b c=lost d', '| a · b · c,d', 'forget 2@c'],
    ['ec 2+1', 'a b c=drain d', '| a · b · c', 'copy 2 c>d first 2'],
    ['ec 2+1', 'a b c=drain d', '| a · b · c,d', 'drop 2@c'],
    ['ec 2+1', 'a b c=lost', '| a · b · c', 'lacks 1'],
    ['ec 2+1', 'a b=lost c=lost d', '| a · b · c', 'lacks 1; lost'],
    ['ec 2+1', 'a b=lost c=lost d e', 'a | a · b · c', 'encode 1@? 2@? first 1'],
    // Two shares on one machine are one loss too many.
    ['ec 2+1', 'a b/1 b/2 d', '| a · b/1 · b/2', 'copy 2 b/2>d first 2'],
    ['2 copies', 'a b c', '| a · b · c', 'restore ? first 2; restore ? first 2'],
    ['2 copies', 'a b c', 'a | a · b · c', 'copy whole a>? first 1'],
    ['2 copies', 'a b c', 'a b | a · b · c', 'shares go'],
    ['2 copies', 'a b=away c', 'a b | a · b · c', ''],
    ['2 copies', 'a b=away c d', 'a b d | a · b · c', 'drop whole@d'],
    ['2 copies', 'a=lost b=lost c', 'a | a · b · c', 'lacks 1; lost'],
    ['ec 3+1', 'a b c d', 'a b | a · b · c', 'shares go'],
  ];
  for (const [policy, places, what, wanted] of rows) {
    const all = places.split(' ').map(place);
    const given = { policy: parsePolicy(policy), all, move: undefined, nowMs: NOW };
    const seen = told(planBlock(placed(what), given));
    // Which of several is for the hash to say.
    const plain = wanted.includes('?')
      ? seen.replaceAll(/([@>]|restore )[a-e][/\d]*/g, '$1?')
      : seen;
    assert.equal(plain, wanted, `${policy} on ${places}: ${what}`);
  }
});

test('small blocks, and those without names for shares, stay copies', () => {
  const all = ['a', 'b', 'c'].map(place);
  const given = { policy: parsePolicy('ec 2+1'), all, move: undefined, nowMs: NOW };
  const plan = (change: Partial<typeof block>): number =>
    planBlock({ ...placed('a b'), block: { ...block, ...change } }, given).tasks.length;
  assert.deepEqual([plan({}), plan({ length: 1000 }), plan({ index: 16 ** 5 })], [1, 0, 0]);
});

test('shares move to where there is room, to no machine that has another', () => {
  const all = ['a', 'b', 'c', 'd'].map(place);
  const policy = parsePolicy('ec 2+1');
  const moved = (to: string): string =>
    told(
      planBlock(placed('| a · b · c'), {
        policy,
        all,
        move: { from: 'a', to, bytes: MIB },
        nowMs: NOW,
      }),
    );
  assert.equal(moved('d'), 'copy 0 a>d instead a first Infinity');
  assert.equal(moved('b'), '');
});

test('shares are named by their block, side by side', () => {
  const ids = [0, 1, 19].map((number) => shareId(block.cid, number));
  const [first, last] = shareRange(block.cid);
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{32}$/);
    assert.ok(first <= id && id <= last && id.startsWith(fid));
    assert.equal(blockOfBlob(id), block.cid);
  }
  assert.deepEqual(shareOf(ids[2] ?? ''), { cid: block.cid, number: 19 });
  assert.equal(shareOf(block.cid), undefined);
  const sums = ['00', '11', '22'].map((digits) => digits.repeat(32));
  const { args = [] } = codedInsert(block, { code, sums });
  const rows = [args.slice(1)];
  const copies = [[ids[1] ?? '', 'a']];
  assert.deepEqual(codedOf(rows, copies).get(block.cid), { code, sums, places: [[], ['a'], []] });
});

test('a name tells when its bytes were written', () => {
  assert.equal(writtenAt(fid), NOW - 2 * HOUR_MS);
  assert.equal(writtenAt(`0${'f'.repeat(23)}`), undefined);
  assert.deepEqual([fid.length, segmentsFid().length], [24, 24]);
});

test('names of contents that follow each other lie side by side, and no two are the same', () => {
  const names = Array.from({ length: 20_000 }, () => blocksFid(NOW));
  assert.equal(new Set(names).size, names.length);
  const beginnings = new Set(names.map((name) => name.slice(0, 14)));
  assert.ok(beginnings.size <= 6, `${beginnings.size} beginnings`);
});
