/** Blocks of which only shares are left: the shares of the data in order, and what is lost of them made anew of the others. */
import { createHash } from 'node:crypto';
import { blockOf, rebuilt, shareBytes } from '../erasure/erasure.ts';
import type { CopyReader } from './copy-reader.ts';
import { unreadable } from './errors.ts';
import { REBUILT_BYTES } from './limits.ts';
import type { Range } from './model.ts';
import type { Block } from './repair-plan.ts';
import { type Coded, shareId } from './shares.ts';

export interface CodedBlock extends Pick<Block, 'bucket' | 'cid' | 'length'> {
  readonly coded: Coded;
}

/** Throws `FILES_UNREADABLE` when too few shares can be read. */
export async function* readShares(
  reader: CopyReader,
  block: CodedBlock,
  range: Range,
): AsyncGenerator<Uint8Array> {
  const { bucket, cid, coded, length } = block;
  const bytes = shareBytes(coded.code, length);
  const broken = new Set<number>();
  for (let at = range.start; at < range.end;) {
    const number = Math.floor(at / bytes);
    const from = number * bytes;
    const end = Math.min(range.end, from + bytes);
    const places = coded.places[number] ?? [];
    if (!broken.has(number) && reader.isUp(places)) {
      const piece = { start: at - from, end: end - from };
      const ended = yield* reader.read(bucket, shareId(cid, number), piece, places);
      at = from + ended.at;
      if (at === end) continue;
      broken.add(number);
    }
    const to = Math.min(end, at + REBUILT_BYTES);
    const have = await gather(reader, block, { start: at - from, end: to - from }, broken);
    yield* rebuilt(coded.code, have, [number]);
    at = to;
  }
}

/** All of a block, checked. Throws `FILES_UNREADABLE`. */
export async function blockOfShares(
  reader: CopyReader,
  block: CodedBlock & Pick<Block, 'sha256'>,
): Promise<Buffer> {
  const { coded, length, sha256 } = block;
  const { code, sums } = coded;
  const range = { start: 0, end: shareBytes(code, length) };
  const have = await gather(
    reader,
    block,
    range,
    new Set(),
    (number, bytes) => sumOf(bytes) === sums[number],
  );
  const whole = blockOf(code, have, length);
  if (sumOf(whole) !== sha256) throw unreadable(block.cid, 'its shares are not of this block');
  return whole;
}

export function sumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The same range of as many shares as are needed, those of places that answer first, but for those that are `broken`; what cannot be read joins them. */
async function gather(
  reader: CopyReader,
  { bucket, cid, coded }: CodedBlock,
  range: Range,
  broken: Set<number>,
  isGood: (number: number, bytes: Uint8Array) => boolean = () => true,
): Promise<ReadonlyMap<number, Uint8Array>> {
  const { code, places } = coded;
  const have = new Map<number, Uint8Array>();
  const known = [...places.keys()].filter(
    (number) => !broken.has(number) && places[number]?.length !== 0,
  );
  const isUp = (number: number): boolean => reader.isUp(places[number] ?? []);
  const left = [...known.filter(isUp), ...known.filter((number) => !isUp(number))];
  while (have.size < code.data) {
    const some = left.splice(0, code.data - have.size);
    if (some.length === 0)
      throw unreadable(cid, `${have.size} of its shares can be read, and it needs ${code.data}`);
    await Promise.all(
      some.map(async (number) => {
        const id = shareId(cid, number);
        const bytes = await reader.bytes(bucket, id, range, places[number] ?? []);
        if (bytes !== undefined && isGood(number, bytes)) have.set(number, bytes);
        else broken.add(number);
      }),
    );
  }
  return have;
}
