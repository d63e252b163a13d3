/** For tests of our side of HTTP/2: a client that makes frames by hand, and a server that tells what it sees. */
import assert from 'node:assert/strict';
import { ERROR, FLAG, FRAME, PREFACE } from '../src/http2/codes.ts';
import { Field } from '../src/http2/field.ts';
import type { H2Error } from '../src/http2/h2-error.ts';
import { HpackEncoder } from '../src/http2/hpack-encoder.ts';
import {
  ServerConnection,
  type ServerHost,
  type ServerLimits,
} from '../src/http2/server-connection.ts';
import { settingsPayload } from '../src/http2/settings.ts';
import type { WireStream } from '../src/http2/wire-stream.ts';

export const LIMITS: ServerLimits = {
  streamsMax: 4,
  streamWindowBytes: 65_535,
  connectionWindowBytes: 100_000,
  listBytesMax: 8192,
  fieldsMax: 50,
  blockBytesMax: 16_384,
  continuationsMax: 4,
  unsentBytesMax: 1_000_000,
  queuedBytesMax: 50_000,
};
const EMPTY = Buffer.alloc(0);

export function frame(type: number, flags: number, id: number, payload: Buffer = EMPTY): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

/** Without a table, so that blocks stand for themselves. */
export function block(more: readonly (readonly [string, string])[] = []): Buffer {
  const fields = [[':method', 'POST'], [':path', '/'], ...more].map(
    ([name = '', value = '']) => new Field(name, value),
  );
  const encoder = new HpackEncoder();
  encoder.resize(0);
  const out = Buffer.alloc(encoder.bytesMax(fields));
  return out.subarray(0, encoder.encode(fields, out, 0));
}

export const HEAD: Buffer = block();
export const open = (id: number, flags = 0): Buffer =>
  frame(FRAME.headers, FLAG.endHeaders | flags, id, HEAD);
export const ask = (id: number): Buffer => open(id, FLAG.endStream);
export const data = (id: number, size: number, flags = 0): Buffer =>
  frame(FRAME.data, flags, id, Buffer.alloc(size, 'x'));
export const settings = (...pairs: (readonly [number, number])[]): Buffer =>
  frame(FRAME.settings, 0, 0, settingsPayload(pairs));
const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
export const open4 = (type: number, id: number, value: number): Buffer =>
  frame(type, 0, id, number(value));
export const RESET: Buffer = open4(FRAME.reset, 1, ERROR.cancel);

/** Serves streams as told, and keeps what is said. */
export class Probe implements ServerHost {
  readonly said: string[] = [];
  readonly frames: { type: number; flags: number; id: number; payload: Buffer }[] = [];
  readonly nuisances: string[] = [];
  readonly streams: Map<number, WireStream> = new Map();
  readonly wire: ServerConnection;
  unsent = 0;
  /** Gives windows back at once. */
  uses = true;

  constructor(limits: Partial<ServerLimits> = {}) {
    this.wire = new ServerConnection(this, { ...LIMITS, ...limits });
    this.wire.start();
    this.frames.length = 0;
    this.wire.receive(Buffer.concat([PREFACE, settings()]));
  }

  readonly write = (bytes: Buffer, done: () => void): void => {
    for (let at = 0; at < bytes.length;) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      const [type = 0, flags = 0] = bytes.subarray(at + 3, at + 5);
      const id = bytes.readUInt32BE(at + 5);
      const payload = Buffer.from(bytes.subarray(at + 9, end));
      this.frames.push({ type, flags, id, payload });
      if (type === FRAME.reset) this.said.push(`reset ${id} ${payload.readUInt32BE(0)}`);
      if (type === FRAME.goaway) this.said.push(`goaway ${payload.readUInt32BE(4)}`);
      at = end;
    }
    done();
  };
  readonly unsentBytes = (): number => this.unsent;

  begin(stream: WireStream, fields: readonly Field[], isWhole: boolean): void {
    const { id } = stream;
    this.streams.set(id, stream);
    this.said.push(`head ${id}${isWhole ? ' whole' : ''}`);
    assert.equal(fields[0]?.value, 'POST');
    stream.taker = {
      data: (_bytes, from, to) => {
        this.said.push(`data ${id} ${to - from}`);
        if (this.uses) this.wire.consumed(stream, to - from);
      },
      ended: (trailers) =>
        void this.said.push(`end ${id}${trailers === undefined ? '' : ' trailers'}`),
      drained: () => void this.said.push(`drained ${id}`),
      sent: () => void this.said.push(`sent ${id}`),
      finished: () => void this.said.push(`finished ${id}`),
      closed: () => void this.said.push(`closed ${id}`),
    };
  }

  wake(): void {
    this.wire.flush();
  }

  nuisance(what: string): void {
    this.nuisances.push(what);
  }

  failed(_error: H2Error): void {}

  /** Sends the frames in one piece; answers what is said, and forgets it. */
  tell(...frames: readonly Buffer[]): readonly string[] {
    this.wire.receive(Buffer.concat(frames));
    return this.said.splice(0);
  }

  stream(id: number): WireStream {
    const stream = this.streams.get(id);
    assert.ok(stream);
    return stream;
  }

  answer(id: number, size: number): void {
    const stream = this.stream(id);
    this.wire.head(stream, [new Field(':status', '200')], size === 0);
    if (size > 0) this.wire.data(stream, { bytes: Buffer.alloc(size), from: 0, isLast: true });
    this.wire.flush();
  }

  bodyBytes(id: number): number {
    const own = this.frames.filter((one) => one.type === FRAME.data && one.id === id);
    return own.reduce((sum, { payload }) => sum + payload.length, 0);
  }
}
