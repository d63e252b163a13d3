/** Messages of Hrana as this part handles them, whatever their encoding. Names are the protocol's, in our spelling. */
import type { Column, SqlRow, SqlValue, StatementResult } from './database.ts';
import type { WireError } from './errors.ts';

/** A text, or the number of one that was stored. */
export type SqlText = string | { readonly sqlId: number };

export interface NamedArgument {
  readonly name: string;
  readonly value: SqlValue;
}

export interface WireStatement {
  readonly text: SqlText;
  readonly args: readonly SqlValue[];
  readonly namedArgs: readonly NamedArgument[];
  readonly wantRows: boolean;
}

export type Condition =
  | { readonly type: 'ok' | 'error'; readonly step: number }
  | { readonly type: 'not'; readonly condition: Condition }
  | { readonly type: 'and' | 'or'; readonly conditions: readonly Condition[] }
  | { readonly type: 'is_autocommit' };

export interface BatchStep {
  readonly condition: Condition | undefined;
  readonly statement: WireStatement;
}

export interface Batch {
  readonly steps: readonly BatchStep[];
}

/** What can be asked on a stream. */
export type StreamRequest =
  | { readonly type: 'close' }
  | { readonly type: 'execute'; readonly statement: WireStatement }
  | { readonly type: 'batch'; readonly batch: Batch }
  | { readonly type: 'sequence' | 'describe'; readonly text: SqlText }
  | { readonly type: 'store_sql'; readonly sqlId: number; readonly sql: string }
  | { readonly type: 'close_sql'; readonly sqlId: number }
  | { readonly type: 'get_autocommit' };

export interface PipelineRequest {
  readonly baton: string | undefined;
  readonly requests: readonly StreamRequest[];
}

export interface CursorRequest {
  readonly baton: string | undefined;
  readonly batch: Batch;
}

/** What can be asked on a WebSocket: the same on a stream by number, and what belongs to the connection. */
export type SocketRequest =
  | { readonly type: 'open_stream' | 'close_stream'; readonly streamId: number }
  | { readonly type: 'execute'; readonly streamId: number; readonly statement: WireStatement }
  | { readonly type: 'batch'; readonly streamId: number; readonly batch: Batch }
  | {
      readonly type: 'sequence' | 'describe';
      readonly streamId: number;
      readonly text: SqlText;
    }
  | { readonly type: 'get_autocommit'; readonly streamId: number }
  | {
      readonly type: 'open_cursor';
      readonly streamId: number;
      readonly cursorId: number;
      readonly batch: Batch;
    }
  | { readonly type: 'close_cursor'; readonly cursorId: number }
  | { readonly type: 'fetch_cursor'; readonly cursorId: number; readonly maxCount: number }
  | { readonly type: 'store_sql'; readonly sqlId: number; readonly sql: string }
  | { readonly type: 'close_sql'; readonly sqlId: number };

export type ClientMessage =
  | { readonly type: 'hello'; readonly token: string | undefined }
  | { readonly type: 'request'; readonly requestId: number; readonly request: SocketRequest };

export interface BatchResult {
  /** As long as the batch; null for steps that failed or were not executed. */
  readonly results: readonly (StatementResult | null)[];
  readonly errors: readonly (WireError | null)[];
}

export interface DescribeResult {
  readonly parameters: readonly (string | null)[];
  readonly columns: readonly Column[];
  readonly isExplain: boolean;
  readonly isReadOnly: boolean;
}

export type StreamResponse =
  | { readonly type: 'close' | 'sequence' | 'store_sql' | 'close_sql' }
  | { readonly type: 'execute'; readonly result: StatementResult }
  | { readonly type: 'batch'; readonly result: BatchResult }
  | { readonly type: 'describe'; readonly result: DescribeResult }
  | { readonly type: 'get_autocommit'; readonly isAutocommit: boolean };

export type StreamResult =
  | { readonly type: 'ok'; readonly response: StreamResponse }
  | { readonly type: 'error'; readonly error: WireError };

export interface PipelineAnswer {
  readonly baton: string | undefined;
  readonly results: readonly StreamResult[];
}

export type CursorEntry =
  | { readonly type: 'step_begin'; readonly step: number; readonly columns: readonly Column[] }
  | {
      readonly type: 'step_end';
      readonly affectedRows: number;
      readonly lastInsertRowid: bigint | null;
    }
  | { readonly type: 'step_error'; readonly step: number; readonly error: WireError }
  | { readonly type: 'row'; readonly row: SqlRow }
  | { readonly type: 'error'; readonly error: WireError };

export type SocketResponse =
  | Exclude<StreamResponse, { readonly type: 'close' | 'sequence' | 'store_sql' | 'close_sql' }>
  | {
      readonly type:
        | 'open_stream'
        | 'close_stream'
        | 'sequence'
        | 'store_sql'
        | 'close_sql'
        | 'open_cursor'
        | 'close_cursor';
    }
  | {
      readonly type: 'fetch_cursor';
      readonly entries: readonly CursorEntry[];
      readonly done: boolean;
    };

export type ServerMessage =
  | { readonly type: 'hello_ok' }
  | { readonly type: 'hello_error'; readonly error: WireError }
  | {
      readonly type: 'response_ok';
      readonly requestId: number;
      readonly response: SocketResponse;
    }
  | { readonly type: 'response_error'; readonly requestId: number; readonly error: WireError };
