/**
 * Blocks that lie as shares instead of copies: their names, and what the catalogue knows of them. A share is a blob of its own, named by its
 * block and its number, and its places are rows of `copy` as those of any blob. Pure.
 */
import { type Code, shareBytes, shareCount } from '../erasure/erasure.ts';
import type { Row, Statement } from './catalogue-link.ts';
import type { Block } from './repair-plan.ts';
import { codeText } from './policy.ts';
import { text } from './rows.ts';

/** What is known of the shares of one block. */
export interface Coded {
  readonly code: Code;
  /** SHA-256 in hex, by number. */
  readonly sums: readonly string[];
  /** Ids of the places that have it, by number. */
  readonly places: readonly (readonly string[])[];
}

/** Of a block's name, before its index. */
const FID_DIGITS = 24;
const INDEX_DIGITS = 8;
/** First digit behind the fid. Blocks have less there: a content has fewer than 2^31. */
const SHARE_MARK = '8';
const SHARE_INDEX_DIGITS = 5;
const NUMBER_DIGITS = 2;
const SUM_BYTES = 32;
/** Those behind it in a content stay copies: their shares would have no names. */
export const INDEX_MAX: number = 16 ** SHARE_INDEX_DIGITS - 1;

/** All shares of a block lie side by side in the order of names. */
export function shareId(cid: string, number: number): string {
  return `${sharePrefix(cid)}${number.toString(16).padStart(NUMBER_DIGITS, '0')}`;
}

/** First and last name that a share of these blocks of one content can have. */
export function shareRange(first: string, last: string = first): readonly [string, string] {
  return [`${sharePrefix(first)}00`, `${sharePrefix(last)}ff`];
}

/** Undefined for a block. */
export function shareOf(id: string): { readonly cid: string; readonly number: number } | undefined {
  if (id[FID_DIGITS] !== SHARE_MARK) return undefined;
  const fid = id.slice(0, FID_DIGITS);
  const index = id.slice(FID_DIGITS + 1, FID_DIGITS + 1 + SHARE_INDEX_DIGITS);
  return {
    cid: `${fid}${index.padStart(INDEX_DIGITS, '0')}`,
    number: Number.parseInt(id.slice(-NUMBER_DIGITS), 16),
  };
}

/** The block that a blob is, or is a share of. */
export function blockOfBlob(id: string): string {
  return shareOf(id)?.cid ?? id;
}

/** A share as a block of its own: so it is copied, moved and taken away as one. */
export function shareBlock(
  block: Block,
  { code, sums }: Pick<Coded, 'code' | 'sums'>,
  number: number,
): Block {
  return {
    ...block,
    cid: shareId(block.cid, number),
    length: shareBytes(code, block.length),
    sha256: sums[number] ?? '',
  };
}

function sharePrefix(cid: string): string {
  return `${cid.slice(0, FID_DIGITS)}${SHARE_MARK}${cid.slice(-SHARE_INDEX_DIGITS)}`;
}

/** Rows of `coded` for the blocks with names from `first` to `last`, and those of `copy` for their shares if they are of one content: for `codedOf`. */
export function codedReads(
  bucket: string,
  first: string,
  last: string = first,
): readonly [Statement, Statement] {
  return [
    {
      sql: 'SELECT cid, code, sums FROM coded WHERE bucket = ? AND cid >= ? AND cid <= ?',
      args: [bucket, first, last],
    },
    {
      sql: 'SELECT cid, place FROM copy WHERE bucket = ? AND cid >= ? AND cid <= ?',
      args: [bucket, ...shareRange(first, last)],
    },
  ];
}

/** By block; rows of shares in any order. */
export function codedOf(
  coded: readonly Row[] | undefined,
  copies: readonly Row[] | undefined,
): ReadonlyMap<string, Coded> {
  const placesOf = new Map<string, string[]>();
  for (const [cid, place] of copies ?? []) {
    const id = text(cid);
    placesOf.set(id, [...(placesOf.get(id) ?? []), text(place)]);
  }
  return new Map(
    (coded ?? []).map(([id, words, sums]) => {
      const cid = text(id);
      const code = readCode(text(words));
      const bytes = Buffer.from(sums instanceof Uint8Array ? sums : []);
      const numbers = Array.from({ length: shareCount(code) }, (_, number) => number);
      return [
        cid,
        {
          code,
          sums: numbers.map((at) =>
            bytes.subarray(at * SUM_BYTES, (at + 1) * SUM_BYTES).toString('hex'),
          ),
          places: numbers.map((number) => placesOf.get(shareId(cid, number)) ?? []),
        },
      ];
    }),
  );
}

/** The row of `coded`. */
export function codedInsert(
  { bucket, cid }: Pick<Block, 'bucket' | 'cid'>,
  { code, sums }: Pick<Coded, 'code' | 'sums'>,
): Statement {
  return {
    sql: 'INSERT INTO coded (bucket, cid, code, sums) VALUES (?, ?, ?, ?)',
    args: [bucket, cid, codeText(code), Buffer.from(sums.join(''), 'hex')],
  };
}

export function isSameCode(one: Code, other: Code): boolean {
  return one.data === other.data && one.parity === other.parity;
}

/** What `codeText` printed. */
export function readCode(words: string): Code {
  const [data, parity] = words.split('+').map(Number);
  if (data === undefined || parity === undefined) throw new Error(`"${words}" is no code`);
  return { data, parity };
}
