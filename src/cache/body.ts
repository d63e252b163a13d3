/**
 * Bytes of stored answers, wherever they are: in memory, outside of it, or still on their way. A reader pulls at its own
 * pace, so a slow client holds nothing up and nothing grows for it; it is woken by events, never by polling.
 */

/** A stretch of a body outside of memory. */
export interface Block {
  readonly length: number;
  /** False once its place was given up. A pinned one can be read nevertheless. */
  readonly alive: boolean;
  /** Its bytes, checked; undefined when they are lost or damaged. */
  load(): Promise<Buffer | undefined>;
  pin(): void;
  unpin(): void;
}

/** `wait`: nothing yet, `wake` will be called once. `broken`: the rest will never come. */
export type Read = Buffer | 'wait' | 'end' | 'broken';

export interface BodyReader {
  /** The next bytes, shared with others: never to be changed. */
  next(): Read;
  /** To be called once by whoever reads, at the end too. */
  close(): void;
}

/** Bytes `from` to before `to`; `to` may be `Infinity` while the end is unknown. */
export interface Section {
  readonly from: number;
  readonly to: number;
}

export interface Body {
  /** Bytes that are there by now. */
  readonly bytes: number;
  /** Of these in memory. */
  readonly memoryBytes: number;
  /** False once some of it cannot be had any more. */
  readonly alive: boolean;
  read(section: Section, wake: () => void): BodyReader;
  /** The pieces that a section is made of; all of it must be there. */
  pieces(section: Section): readonly Piece[];
}

/** Some bytes, in memory, outside, or both: `length` bytes from `from` on. */
export interface Piece {
  bytes: Buffer | undefined;
  block: Block | undefined;
  readonly from: number;
  /** Grows while it is the last one of a growing body. */
  length: number;
}

/** A body up to this size is kept as text. */
export const TEXT_BYTES_MAX: number = 4096;

/**
 * A small body as latin1 text: what is sent with a head in one write has to be text anyway. Where the same bytes are
 * outside of memory is not kept: to write them again costs less.
 */
export class TextBody implements Body {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  get bytes(): number {
    return this.text.length;
  }

  get memoryBytes(): number {
    return this.text.length;
  }

  get alive(): boolean {
    return true;
  }

  read(section: Section): BodyReader {
    return new BufferBody(Buffer.from(this.text, 'latin1')).read(section);
  }

  pieces({ from, to }: Section): readonly Piece[] {
    const bytes = Buffer.from(this.text, 'latin1');
    return [{ bytes, block: undefined, from, length: to - from }];
  }
}

/** A body in one buffer. */
export class BufferBody implements Body {
  readonly buffer: Buffer;
  /** Where the same bytes are outside of memory, if anywhere. */
  block: Block | undefined;

  constructor(buffer: Buffer, block?: Block) {
    this.buffer = buffer;
    this.block = block;
  }

  get bytes(): number {
    return this.buffer.length;
  }

  get memoryBytes(): number {
    return this.buffer.length;
  }

  get alive(): boolean {
    return true;
  }

  read({ from, to }: Section): BodyReader {
    return new BufferReader(this.buffer, from, Math.min(to, this.buffer.length));
  }

  pieces({ from, to }: Section): readonly Piece[] {
    return [{ bytes: this.buffer, block: this.block, from, length: to - from }];
  }
}

class BufferReader implements BodyReader {
  readonly #buffer: Buffer;
  readonly #to: number;
  #from: number;

  constructor(buffer: Buffer, from: number, to: number) {
    this.#buffer = buffer;
    this.#from = from;
    this.#to = to;
  }

  next(): Read {
    const from = this.#from;
    if (from >= this.#to) return 'end';
    this.#from = this.#to;
    const buffer = this.#buffer;
    return from === 0 && this.#to === buffer.length ? buffer : buffer.subarray(from, this.#to);
  }

  close(): void {}
}

/** A body that is all in memory and in one piece. */
export type SmallBody = TextBody | BufferBody;

export function isSmall(body: Body): body is SmallBody {
  return body instanceof TextBody || body instanceof BufferBody;
}

export function smallBody(bytes: Buffer, block?: Block): SmallBody {
  if (bytes.length > TEXT_BYTES_MAX) return new BufferBody(bytes, block);
  return new TextBody(bytes.toString('latin1'));
}

/** A body of several pieces, which may still grow at its end. */
export class PieceBody implements Body {
  bytes = 0;
  /** `growing`, then `whole` or `broken`. */
  state: 'growing' | 'whole' | 'broken' = 'growing';
  readonly list: Piece[] = [];
  readonly readers: Set<PieceReader> = new Set();
  /** Called when a reader has gone on to another piece, or has gone. */
  onProgress: (() => void) | undefined;

  /** A whole body of these pieces. */
  static of(pieces: readonly Piece[]): PieceBody {
    const body = new PieceBody();
    for (const piece of pieces) if (piece.length > 0) body.append(piece);
    body.settle('whole');
    return body;
  }

  get memoryBytes(): number {
    let bytes = 0;
    for (const piece of this.list) bytes += piece.bytes?.length ?? 0;
    return bytes;
  }

  get alive(): boolean {
    if (this.state === 'broken') return false;
    return this.list.every(
      ({ bytes, block }) => bytes !== undefined || (block !== undefined && block.alive),
    );
  }

  append(piece: Piece): void {
    this.list.push(piece);
    this.bytes += piece.length;
    this.wakeReaders();
  }

  settle(state: 'whole' | 'broken'): void {
    this.state = state;
    this.wakeReaders();
  }

  wakeReaders(): void {
    for (const reader of this.readers) reader.wakeUp();
  }

  read(section: Section, wake: () => void): BodyReader {
    const reader = new PieceReader(this, section, wake);
    this.readers.add(reader);
    for (const { block } of this.list) if (block !== undefined) reader.pin(block);
    return reader;
  }

  pieces({ from, to }: Section): readonly Piece[] {
    const found: Piece[] = [];
    let start = 0;
    for (const piece of this.list) {
      const end = start + piece.length;
      const first = Math.max(from, start);
      const last = Math.min(to, end);
      if (first < last) {
        const { bytes, block } = piece;
        found.push({ bytes, block, from: piece.from + first - start, length: last - first });
      }
      start = end;
    }
    return found;
  }
}

class PieceReader implements BodyReader {
  readonly #body: PieceBody;
  readonly #wake: () => void;
  readonly #pinned: Block[] = [];
  /** The piece that is read. */
  index = 0;
  /** Bytes of it that were read. */
  #at: number;
  #left: number;
  #waits = false;
  #loaded: Buffer | 'loading' | 'lost' | undefined;
  #closed = false;

  constructor(body: PieceBody, { from, to }: Section, wake: () => void) {
    this.#body = body;
    this.#wake = wake;
    this.#at = from;
    this.#left = to - from;
  }

  next(): Read {
    const { list } = this.#body;
    if (this.#left <= 0) return 'end';
    for (;;) {
      const piece = list[this.index];
      if (piece === undefined) return this.#atTheEnd();
      if (this.#at >= piece.length && this.#isDone(piece)) {
        this.#at -= piece.length;
        this.index++;
        this.#loaded = undefined;
        this.#body.onProgress?.();
        continue;
      }
      return this.#readFrom(piece);
    }
  }

  pin(block: Block): void {
    block.pin();
    this.#pinned.push(block);
  }

  wakeUp(): void {
    if (!this.#waits) return;
    this.#waits = false;
    this.#wake();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waits = false;
    this.#body.readers.delete(this);
    for (const block of this.#pinned) block.unpin();
    this.#body.onProgress?.();
  }

  /** The last piece of a growing body may become longer. */
  #isDone(piece: Piece): boolean {
    return this.#body.state !== 'growing' || this.#body.list.at(-1) !== piece;
  }

  #atTheEnd(): Read {
    const { state } = this.#body;
    if (state === 'growing') return this.#wait();
    return state === 'broken' || Number.isFinite(this.#left) ? 'broken' : 'end';
  }

  #readFrom(piece: Piece): Read {
    const length = Math.min(piece.length - this.#at, this.#left);
    if (length <= 0) return this.#wait();
    const bytes = piece.bytes ?? this.#load(piece.block);
    if (bytes === 'loading') return this.#wait();
    if (bytes === 'lost') return 'broken';
    const from = piece.from + this.#at;
    this.#at += length;
    this.#left -= length;
    return bytes.subarray(from, from + length);
  }

  #load(block: Block | undefined): Buffer | 'loading' | 'lost' {
    if (this.#loaded !== undefined) return this.#loaded;
    if (block === undefined) return 'lost';
    this.#loaded = 'loading';
    void block.load().then((bytes) => {
      this.#loaded = bytes ?? 'lost';
      this.wakeUp();
    });
    return this.#loaded;
  }

  #wait(): Read {
    this.#waits = true;
    return 'wait';
  }
}

/** Bodies one after the other, of which one may still grow: a stored answer and the part that completes it. */
export class ComposedBody implements Body {
  readonly sections: readonly { readonly body: Body; readonly section: Section }[];

  constructor(sections: readonly { readonly body: Body; readonly section: Section }[]) {
    this.sections = sections;
  }

  get bytes(): number {
    return this.sections.reduce((sum, { section }) => sum + section.to - section.from, 0);
  }

  get memoryBytes(): number {
    return this.sections.reduce((sum, { body }) => sum + body.memoryBytes, 0);
  }

  get alive(): boolean {
    return this.sections.every(({ body }) => body.alive);
  }

  read(section: Section, wake: () => void): BodyReader {
    return new ComposedReader(this.#cut(section), wake);
  }

  pieces(section: Section): readonly Piece[] {
    return this.#cut(section).flatMap((one) => one.body.pieces(one.section));
  }

  #cut({ from, to }: Section): { readonly body: Body; readonly section: Section }[] {
    const found = [];
    let start = 0;
    for (const { body, section } of this.sections) {
      const end = start + section.to - section.from;
      const first = Math.max(from, start);
      const last = Math.min(to, end);
      const offset = section.from - start;
      if (first < last) found.push({ body, section: { from: first + offset, to: last + offset } });
      start = end;
    }
    return found;
  }
}

/** Opens all its parts at once, so that none is given up before its turn comes. */
class ComposedReader implements BodyReader {
  readonly #readers: readonly BodyReader[];
  #index = 0;

  constructor(
    sections: readonly { readonly body: Body; readonly section: Section }[],
    wake: () => void,
  ) {
    this.#readers = sections.map(({ body, section }) => body.read(section, wake));
  }

  next(): Read {
    for (;;) {
      const reader = this.#readers[this.#index];
      if (reader === undefined) return 'end';
      const read = reader.next();
      if (read !== 'end') return read;
      this.#index++;
    }
  }

  close(): void {
    for (const reader of this.#readers) reader.close();
  }
}
