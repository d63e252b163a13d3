/**
 * The variants of a key as one record of a log: numbers, then texts. A small body is among the texts; a larger one stays
 * an object, and its number stands for it. What is taken out is a copy.
 */
import { latin1, writeLatin1 } from '../http/latin1.ts';
import type { ByteRange } from '../http/range.ts';
import { type Body, TextBody } from './body.ts';
import { Entry } from './entry.ts';
import { type KeyBytes, keySize } from './key-bytes.ts';
import type { OutsideBodies } from './outside-bodies.ts';
import { alignedSize, RECORD, RECORD_START_BYTES } from './record-log.ts';
import type { Slab } from './slabs.ts';
import { Stored } from './tier.ts';

/** The record's own word is the key's length and, above it, how many variants there are. */
const KEY_BITS = 24;
const KEY_LENGTH_MAX: number = 2 ** KEY_BITS - 1;

/** Of each variant, doubles. */
const DOUBLES = {
  bornMs: 0,
  stamp: 1,
  dateS: 2,
  lastModifiedS: 3,
  length: 4,
  lifetimeS: 5,
  staleWhileRevalidateS: 6,
  staleIfErrorS: 7,
} as const;
/** Of each variant, words; the last ones are lengths of texts, in the order of these. */
const WORDS = {
  /** Status, and above it the bits. */
  status: 16,
  notModifiedEnd: 17,
  typeStart: 18,
  /** Of a body outside, or less than 0. */
  body: 19,
  lengths: 20,
} as const;
const STATUS_BITS = 10;
const TEXTS = 8;
/** A multiple of the alignment. */
const VARIANT_BYTES: number = (WORDS.lengths + TEXTS) * 4;
const INSIDE = -1;

const NO_NAMES: readonly string[] = [];

/** What a variant is as texts, in the order in which they are taken out. */
function textsOf({ entry, body }: Stored, isTextInside: boolean): readonly string[] {
  const { head, etag, varyNames, varyValues, cacheStatus, tags, spans } = entry;
  const parts = spans?.map(({ first, last }) => `${first}-${last}`).join(',') ?? '';
  const text = isTextInside && body instanceof TextBody ? body.text : '';
  return [head, etag, varyNames.join(','), varyValues, cacheStatus, tags.join('\n'), parts, text];
}

/** Variants on their way into a record. */
export class Packing {
  readonly size: number;
  readonly #variants: readonly Stored[];
  readonly #isTextInside: boolean;
  readonly #texts: readonly (readonly string[])[];

  /** With `isTextInside` false all bodies are kept outside of the record. */
  constructor(key: KeyBytes, variants: readonly Stored[], isTextInside = true) {
    this.#variants = variants;
    this.#isTextInside = isTextInside;
    this.#texts = variants.map((stored) => textsOf(stored, isTextInside));
    let bytes = RECORD_START_BYTES + variants.length * VARIANT_BYTES;
    bytes += keySize(key.length);
    for (const texts of this.#texts) for (const text of texts) bytes += text.length;
    this.size = alignedSize(bytes);
  }

  /** Those that have no place in the record. */
  get outside(): readonly Body[] {
    const bodies = this.#variants.map(({ body }) => body);
    return bodies.filter((body) => !this.#isInside(body));
  }

  /** `key` is the one for which this was made. */
  write(
    key: KeyBytes,
    { slab, offset }: { readonly slab: Slab; readonly offset: number },
    outside: OutsideBodies,
  ): void {
    slab.setWord(offset, RECORD.own, (this.#variants.length << KEY_BITS) | key.length);
    let at = offset + RECORD_START_BYTES;
    let end = at + this.#variants.length * VARIANT_BYTES;
    key.write(slab, end);
    end += keySize(key.length);
    for (const [index, stored] of this.#variants.entries()) {
      writeNumbers(slab, at, stored);
      const { body } = stored;
      slab.setWord(at, WORDS.body, this.#isInside(body) ? INSIDE : outside.add(body));
      for (const [order, text] of (this.#texts[index] ?? []).entries()) {
        slab.setWord(at, WORDS.lengths + order, text.length);
        if (text !== '') end += writeLatin1(slab.bytes, text, end);
      }
      at += VARIANT_BYTES;
    }
  }

  #isInside(body: Body): boolean {
    return this.#isTextInside && body instanceof TextBody;
  }
}

function writeNumbers(slab: Slab, at: number, { entry, stamp }: Stored): void {
  slab.setDouble(at, DOUBLES.bornMs, entry.bornMs);
  slab.setDouble(at, DOUBLES.stamp, stamp);
  slab.setDouble(at, DOUBLES.dateS, entry.dateS);
  slab.setDouble(at, DOUBLES.lastModifiedS, entry.lastModifiedS);
  slab.setDouble(at, DOUBLES.length, entry.length);
  slab.setDouble(at, DOUBLES.lifetimeS, entry.lifetimeS);
  slab.setDouble(at, DOUBLES.staleWhileRevalidateS, entry.staleWhileRevalidateS);
  slab.setDouble(at, DOUBLES.staleIfErrorS, entry.staleIfErrorS);
  slab.setWord(at, WORDS.status, (entry.bits << STATUS_BITS) | entry.status);
  slab.setWord(at, WORDS.notModifiedEnd, entry.notModifiedEnd);
  slab.setWord(at, WORDS.typeStart, entry.typeStart);
}

export function isKeyAt(slab: Slab, offset: number, key: KeyBytes): boolean {
  const own = slab.word(offset, RECORD.own);
  if ((own & KEY_LENGTH_MAX) !== key.length) return false;
  return key.isAt(slab, offset + RECORD_START_BYTES + (own >>> KEY_BITS) * VARIANT_BYTES);
}

/** Numbers of the bodies that are kept outside for the record. */
export function outsideNumbers(slab: Slab, offset: number): readonly number[] {
  const count = slab.word(offset, RECORD.own) >>> KEY_BITS;
  const numbers: number[] = [];
  for (let index = 0; index < count; index++) {
    const at = offset + RECORD_START_BYTES + index * VARIANT_BYTES;
    const number = slab.word(at, WORDS.body);
    if (number !== INSIDE) numbers.push(number);
  }
  return numbers;
}

/** What was packed. */
export function unpacked(slab: Slab, offset: number, outside: OutsideBodies): readonly Stored[] {
  const own = slab.word(offset, RECORD.own);
  const count = own >>> KEY_BITS;
  const start = offset + RECORD_START_BYTES;
  let end = start + count * VARIANT_BYTES;
  const keyLength = own & KEY_LENGTH_MAX;
  const key = latin1(slab.bytes, end, end + keyLength);
  end += keySize(keyLength);
  const variants: Stored[] = [];
  for (let index = 0; index < count; index++) {
    const at = start + index * VARIANT_BYTES;
    const texts = new TextReader(slab, at, end);
    variants.push(unpackedVariant(slab, at, { key, texts, outside }));
    end = texts.end;
  }
  return variants;
}

/** Cuts the texts of a variant, which are taken out of the slab at once, in their order. */
class TextReader {
  readonly end: number;
  readonly #slab: Slab;
  readonly #at: number;
  readonly #all: string;
  #order = 0;
  #from = 0;

  constructor(slab: Slab, at: number, start: number) {
    let end = start;
    for (let order = 0; order < TEXTS; order++) end += slab.word(at, WORDS.lengths + order);
    this.end = end;
    this.#slab = slab;
    this.#at = at;
    this.#all = latin1(slab.bytes, start, end);
  }

  next(): string {
    const length = this.#slab.word(this.#at, WORDS.lengths + this.#order++);
    if (length === 0) return '';
    const from = this.#from;
    this.#from += length;
    return this.#all.slice(from, from + length);
  }
}

function unpackedVariant(
  slab: Slab,
  at: number,
  of: { readonly key: string; readonly texts: TextReader; readonly outside: OutsideBodies },
): Stored {
  const { key, texts, outside } = of;
  const status = slab.word(at, WORDS.status);
  const entry = new Entry({
    status: status & (2 ** STATUS_BITS - 1),
    bits: status >>> STATUS_BITS,
    notModifiedEnd: slab.word(at, WORDS.notModifiedEnd),
    typeStart: slab.word(at, WORDS.typeStart),
    bornMs: slab.double(at, DOUBLES.bornMs),
    lifetimeS: slab.double(at, DOUBLES.lifetimeS),
    staleWhileRevalidateS: slab.double(at, DOUBLES.staleWhileRevalidateS),
    staleIfErrorS: slab.double(at, DOUBLES.staleIfErrorS),
    dateS: slab.double(at, DOUBLES.dateS),
    lastModifiedS: slab.double(at, DOUBLES.lastModifiedS),
    length: slab.double(at, DOUBLES.length),
    // In the order in which they were written.
    head: texts.next(),
    etag: texts.next(),
    varyNames: listOf(texts.next(), ','),
    varyValues: texts.next(),
    cacheStatus: texts.next(),
    tags: listOf(texts.next(), '\n'),
    spans: spansOf(texts.next()),
  });
  const text = texts.next();
  const number = slab.word(at, WORDS.body);
  const body = number === INSIDE ? new TextBody(text) : outside.get(number);
  if (body === undefined) throw new RangeError('A body that a record names is not there');
  return new Stored(key, entry, body, slab.double(at, DOUBLES.stamp));
}

function listOf(text: string, separator: string): readonly string[] {
  return text === '' ? NO_NAMES : text.split(separator);
}

function spansOf(text: string): readonly ByteRange[] | undefined {
  if (text === '') return undefined;
  return text.split(',').map((span) => {
    const [first, last] = span.split('-');
    return { first: Number(first), last: Number(last) };
  });
}
