/**
 * `multipart/form-data` of a browser's upload (RFC 7578): the fields before the file are collected, the file is a stream, what comes after it
 * is passed over.
 */
import { S3Error } from './errors.ts';

export interface PostedForm {
  /** Names in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  readonly fileName: string;
  readonly fileType: string | undefined;
  readonly file: AsyncIterable<Uint8Array>;
}

const FIELDS_BYTES_MAX = 20 * 1024;
const FIELDS_MAX = 200;
const HEAD_END = Buffer.from('\r\n\r\n');

export function boundaryOf(contentType: string): string | undefined {
  const [, quoted, plain] =
    /^multipart\/form-data\s*;.*?\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(
      contentType,
    ) ?? [];
  return quoted ?? plain;
}

export async function readForm(
  source: AsyncIterable<Uint8Array>,
  boundary: string,
): Promise<PostedForm> {
  const reader = new FormReader(source, boundary);
  return reader.form();
}

function malformed(): S3Error {
  return new S3Error('MalformedPOSTRequest');
}

class FormReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  /** Comes before every part but the first, and before the end. */
  readonly #delimiter: Buffer;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>, boundary: string) {
    this.#pieces = source[Symbol.asyncIterator]();
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  }

  async form(): Promise<PostedForm> {
    const fields = new Map<string, string>();
    // The first delimiter has no line end before it.
    this.#rest = Buffer.from('\r\n');
    await this.#until(this.#delimiter);
    for (let bytes = 0; fields.size <= FIELDS_MAX;) {
      const mark = await this.#take(2);
      if (mark === '--') throw new S3Error('IncorrectNumberOfFilesInPostRequest');
      if (mark !== '\r\n') throw malformed();
      const head = parseHead((await this.#until(HEAD_END)).toString('utf8'));
      if (head.name === 'file') {
        return { fields, fileName: head.fileName ?? '', fileType: head.type, file: this.#file() };
      }
      const value = (await this.#until(this.#delimiter)).toString('utf8');
      bytes += value.length;
      if (bytes > FIELDS_BYTES_MAX) throw new S3Error('MaxPostPreDataLengthExceededError');
      fields.set(head.name, value);
    }
    throw new S3Error('MaxPostPreDataLengthExceededError');
  }

  async #more(): Promise<boolean> {
    const next = await this.#pieces.next();
    if (next.done === true) return false;
    this.#rest = Buffer.concat([this.#rest, next.value]);
    return true;
  }

  async #take(length: number): Promise<string> {
    while (this.#rest.length < length) if (!(await this.#more())) throw malformed();
    const text = this.#rest.toString('latin1', 0, length);
    this.#rest = this.#rest.subarray(length);
    return text;
  }

  async #until(end: Buffer): Promise<Buffer> {
    for (;;) {
      const at = this.#rest.indexOf(end);
      if (at >= 0) {
        const found = this.#rest.subarray(0, at);
        this.#rest = this.#rest.subarray(at + end.length);
        return found;
      }
      if (this.#rest.length > FIELDS_BYTES_MAX * 2)
        throw new S3Error('MaxPostPreDataLengthExceededError');
      if (!(await this.#more())) throw malformed();
    }
  }

  async *#file(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const at = this.#rest.indexOf(this.#delimiter);
      if (at >= 0) {
        if (at > 0) yield this.#rest.subarray(0, at);
        while (await this.#more()) this.#rest = Buffer.alloc(0);
        return;
      }
      const safe = this.#rest.length - this.#delimiter.length;
      if (safe > 0) {
        yield this.#rest.subarray(0, safe);
        this.#rest = this.#rest.subarray(safe);
      }
      if (!(await this.#more())) throw new S3Error('IncompleteBody');
    }
  }
}

function parseHead(text: string): {
  readonly name: string;
  readonly fileName: string | undefined;
  readonly type: string | undefined;
} {
  const disposition = /^content-disposition\s*:\s*form-data\s*;(.*)$/im.exec(text)?.[1] ?? '';
  const name =
    /(?:^|;)\s*name="((?:[^"\\]|\\.)*)"/i.exec(disposition)?.[1] ??
    /(?:^|;)\s*name=([^\s;"]+)/i.exec(disposition)?.[1];
  if (name === undefined) throw malformed();
  const fileName = /;\s*filename="((?:[^"\\]|\\.)*)"/i.exec(disposition)?.[1];
  const type = /^content-type\s*:\s*(.*?)\s*$/im.exec(text)?.[1];
  return { name: name.toLowerCase(), fileName, type };
}
