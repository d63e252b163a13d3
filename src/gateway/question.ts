/**
 * What one gateway process says of a request when it asks another one that owns its key: one field of a request that is
 * otherwise the client's own. Strict: what cannot be read is not answered.
 */
import type { Tier } from './key-owner.ts';

/** Lower-case. */
export const QUESTION_FIELD = 'moln-question';
/** Asks that what is stored under a key be removed; `KEY_FIELD` says which. */
export const REMOVE_METHOD = 'PURGE';
/** Lower-case. */
export const KEY_FIELD = 'moln-key';
/** Of an answer that is none: the asker goes to the origin himself. */
export const REFUSAL_FIELD = 'moln-refusal';
/** Grows with incompatible changes. */
const VERSION = '2';

export interface Question {
  /** As what the other one is asked. */
  readonly tier: Tier;
  /** By which the client came: of the cache's key, and what upstreams are told. */
  readonly scheme: 'http' | 'https';
  /** The client's address; empty when it has none. */
  readonly client: string;
  /** What the asker has purged, see `ObeyedPurges`. */
  readonly purges: string;
  /** The route and what else its keys begin with. */
  readonly space: string;
}

/** Why a question is not answered. */
export type Refusal =
  /** This request is better off alone; others of its key may ask. */
  | 'alone'
  /** The answer is of no use to others: do not ask for this key for a moment. */
  | 'unshared'
  /** The origin did not answer in time. */
  | 'late'
  /** There is no answer: perhaps it can be had from where the asker is. */
  | 'failed';

const REFUSALS: readonly string[] = ['alone', 'unshared', 'late', 'failed'] satisfies Refusal[];
const NO_CLIENT = '-';
const CLIENT = /^[\x21-\x7e]{1,100}$/;
const PURGES = /^[0-9:]{1,400}$/;
const SPACE = /^[\x21-\x7e]{1,500}$/;

/** The whole line. */
export function questionLine(question: Question): string {
  const { tier, scheme, purges, space } = question;
  const client = CLIENT.test(question.client) ? question.client : NO_CLIENT;
  return `Moln-Question: ${VERSION} ${tier} ${scheme} ${client} ${purges} ${space}\r\n`;
}

export function readQuestion(text: string | undefined): Question | undefined {
  const words = text?.split(' ') ?? [];
  const [version, tier, scheme, client = '', purges = '', space = ''] = words;
  if (words.length !== 6 || version !== VERSION) return undefined;
  if (tier !== 'region' && tier !== 'cluster') return undefined;
  if (scheme !== 'http' && scheme !== 'https') return undefined;
  if (!CLIENT.test(client) || !PURGES.test(purges) || !SPACE.test(space)) return undefined;
  return {
    tier,
    scheme,
    client: client === NO_CLIENT ? '' : client,
    purges,
    space,
  };
}

/** The whole line. */
export function refusalLine(refusal: Refusal): string {
  return `Moln-Refusal: ${refusal}\r\n`;
}

export function readRefusal(text: string | undefined): Refusal | undefined {
  return text !== undefined && REFUSALS.includes(text) ? (text as Refusal) : undefined;
}
