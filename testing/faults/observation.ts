/** What the clients of a fault run say of what they do: one JSON line each, the beginning before it is sent to anybody. */
import type { Step, Transaction } from '../histories/history.ts';

export type Observation =
  | {
      readonly kind: 'begin';
      readonly id: string;
      readonly process: number;
      readonly at: number;
      readonly steps: readonly Step[];
    }
  | {
      readonly kind: 'end';
      readonly id: string;
      readonly type: Transaction['type'];
      readonly at: number;
      readonly steps: readonly Step[];
    }
  /** A list at `stale` level, on any copy. */
  | { readonly kind: 'old'; readonly key: number; readonly list: readonly number[] }
  | { readonly kind: 'bank'; readonly read: readonly number[] }
  /** Counters of all stripes, each counted by itself. */
  | { readonly kind: 'fork'; readonly read: readonly number[] }
  | {
      readonly kind: 'write';
      readonly space: number;
      readonly row: number;
      readonly process: number;
      readonly began: number;
      readonly ended: number;
    }
  | {
      readonly kind: 'sight';
      readonly space: number;
      readonly began: number;
      readonly rows: readonly number[];
    }
  /** A write is told when it begins, so that one of a client that was killed is known, and again when it ends. */
  | {
      readonly kind: 'register';
      readonly id: string;
      readonly key: number;
      readonly op: readonly ['w' | 'r', number];
      readonly began: number;
      readonly ended: number | null;
    }
  /** That one changed nothing. */
  | { readonly kind: 'unwritten'; readonly id: string }
  /** An error that says that nothing was changed, or that a read must be repeated. */
  | { readonly kind: 'refused'; readonly code: string }
  /** A promise that was broken at once. */
  | { readonly kind: 'broken'; readonly what: string };

/** Milliseconds of a clock that all processes of a machine share and nobody can set. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
