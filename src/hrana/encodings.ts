/** The two encodings behind one face each for HTTP and WebSocket. */
import type { WireError } from './errors.ts';
import { decodeCursorJson, decodeMessageJson, decodePipelineJson } from './json-decode.ts';
import {
  encodeCursorHeadJson,
  encodeEntriesJson,
  encodeErrorJson,
  encodeMessageJson,
  encodePipelineJson,
} from './json-encode.ts';
import type { HranaLimits } from './limits.ts';
import type {
  ClientMessage,
  CursorEntry,
  CursorRequest,
  PipelineAnswer,
  PipelineRequest,
  ServerMessage,
} from './model.ts';
import {
  decodeCursorProtobuf,
  decodeMessageProtobuf,
  decodePipelineProtobuf,
} from './protobuf-decode.ts';
import {
  encodeCursorHeadProtobuf,
  encodeEntriesProtobuf,
  encodeErrorProtobuf,
  encodeMessageProtobuf,
  encodePipelineProtobuf,
} from './protobuf-encode.ts';

export type Encoded = string | Uint8Array;

/** Decoders throw `HRANA_PROTO_ERROR` and nothing else. */
export interface Encoding {
  readonly type: string;
  readonly cursorType: string;
  /** Messages are binary frames on a WebSocket. */
  readonly isBinary: boolean;
  decodePipeline(bytes: Uint8Array, limits: HranaLimits): PipelineRequest;
  decodeCursor(bytes: Uint8Array, limits: HranaLimits): CursorRequest;
  decodeMessage(bytes: Uint8Array, limits: HranaLimits): ClientMessage;
  encodePipeline(answer: PipelineAnswer): Encoded;
  encodeCursorHead(baton: string | undefined): Encoded;
  encodeEntries(entries: readonly CursorEntry[]): Encoded;
  encodeError(error: WireError): Encoded;
  encodeMessage(message: ServerMessage): Encoded;
}

export const JSON_ENCODING: Encoding = {
  // Without a charset: clients compare the whole value.
  type: 'application/json',
  cursorType: 'application/x-ndjson',
  isBinary: false,
  decodePipeline: decodePipelineJson,
  decodeCursor: decodeCursorJson,
  decodeMessage: decodeMessageJson,
  encodePipeline: encodePipelineJson,
  encodeCursorHead: encodeCursorHeadJson,
  encodeEntries: encodeEntriesJson,
  encodeError: encodeErrorJson,
  encodeMessage: encodeMessageJson,
};

export const PROTOBUF_ENCODING: Encoding = {
  type: 'application/x-protobuf',
  cursorType: 'application/x-protobuf',
  isBinary: true,
  decodePipeline: decodePipelineProtobuf,
  decodeCursor: decodeCursorProtobuf,
  decodeMessage: decodeMessageProtobuf,
  encodePipeline: encodePipelineProtobuf,
  encodeCursorHead: encodeCursorHeadProtobuf,
  encodeEntries: encodeEntriesProtobuf,
  encodeError: encodeErrorProtobuf,
  encodeMessage: encodeMessageProtobuf,
};
