/** Files of tests of our own making, family by family of the outside corpus: the same seed gives the same file. */
import { type Seeded, seeded } from '../seeded.ts';
import {
  type CorpusStatement,
  ExpressionCorpus,
  IndexCorpus,
  joinOf,
  joinSchema,
} from '../sql-corpus.ts';
import { compounds, oneTable } from './selects.ts';
import { definitions, membership, namedTwice, replacing, triggers, updating } from './language.ts';
import { features } from './features.ts';
import { actions } from './actions.ts';
import { edges } from './edges.ts';
import { keyed } from './keyed.ts';
import { nested } from './nested.ts';
import { permutations } from './permutations.ts';
import type { LogicRecord } from './records.ts';

/** Statements of one family. `size`: how many beside those that make its tables. */
export type LogicFamily = (random: Seeded, size: number) => Iterable<CorpusStatement>;

function* expressions(random: Seeded, size: number): Generator<CorpusStatement> {
  const corpus = new ExpressionCorpus(random);
  yield* corpus.schema();
  for (let at = 0; at < size; at += 1) yield corpus.query();
}

const indexes = (rows: number): LogicFamily =>
  function* (random, size) {
    const corpus = new IndexCorpus(random, rows);
    yield* corpus.schema();
    for (let at = 0; at < size; at += 1) yield corpus.statement();
  };

function* joins(random: Seeded, size: number): Generator<CorpusStatement> {
  for (const sql of joinSchema(64)) yield { sql, ordered: false };
  for (let at = 0; at < size; at += 1) {
    yield { sql: joinOf(random, 4 + (at % 61)), ordered: false };
  }
}

export const FAMILIES: Readonly<Record<string, LogicFamily>> = {
  select1: oneTable('unique'),
  select3: oneTable('nulls'),
  select4: compounds,
  select5: joins,
  'random-expressions': expressions,
  'index-10': indexes(10),
  'index-100': indexes(100),
  'index-1000': indexes(1000),
  'evidence-in': membership,
  'evidence-definitions': definitions,
  'evidence-update': updating,
  'evidence-replace': replacing,
  'evidence-triggers': triggers,
  'ddl-twice': namedTwice,
  'keyed-rows': keyed,
  'index-permutations': permutations,
  'value-edges': edges,
  'nested-selects': nested,
  'set-off': actions,
  features,
};

/** The records of one family. */
export function* familyRecords(family: string, seed: number, size: number): Generator<LogicRecord> {
  const statements = FAMILIES[family];
  if (statements === undefined) throw new Error(`There is no family "${family}"`);
  for (const { sql, ordered } of statements(seeded(seed), size)) {
    yield /^\s*(?:SELECT|WITH|VALUES|PRAGMA)/.test(sql) || sql.includes(' RETURNING ')
      ? {
          kind: 'query',
          line: 0,
          sql,
          types: '',
          sort: ordered ? 'nosort' : 'rowsort',
          label: undefined,
          wanted: undefined,
        }
      : { kind: 'statement', line: 0, sql, fails: false };
  }
}
