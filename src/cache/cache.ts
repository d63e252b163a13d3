/**
 * The door of the cache: a shared HTTP cache (RFC 9111) as pure deciders, and the tiers that hold what they decide to
 * keep. No sockets; time comes in as a number.
 */
export {
  answerFrom,
  answerPieces,
  answerWith,
  holds,
  type Answer,
  type AnswerBody,
  type AnswerPiece,
} from './answer.ts';
export {
  BufferBody,
  ComposedBody,
  isSmall,
  PieceBody,
  smallBody,
  TextBody,
  type Block,
  type Body,
  type BodyReader,
  type Piece,
  type Read,
  type Section,
} from './body.ts';
export { cacheKey, relatedKey, type QueryRule } from './cache-key.ts';
export { CACHE_NAME, cacheStatusLine, type CacheStatus } from './cache-status.ts';
export {
  behind,
  decide,
  isList,
  select,
  type Candidates,
  type Decision,
  type DecisionKind,
  type HasEntry,
  type Why,
} from './decide.ts';
export { DiskTier, type DiskTierOptions } from './disk-tier.ts';
export {
  ageMs,
  Entry,
  ENTRY,
  freshMs,
  outdated,
  UNKNOWN_LENGTH,
  type EntryValues,
} from './entry.ts';
export { FieldList, HeadFields, type FieldLine, type Fields } from './fields.ts';
export { Fill, isWorthFinishing, type FillOptions } from './fill.ts';
export { flightOf, Flights, type Landing, type Turn, type Waiter } from './flights.ts';
export { forwardChange, type ForwardChange } from './forward.ts';
export { freshen, freshenByHead, identified, type Update } from './freshen.ts';
export {
  HttpCache,
  type Filling,
  type HttpCacheOptions,
  type PurgeTarget,
  type Storing,
} from './http-cache.ts';
export { entryOfPost, invalidated } from './invalidate.ts';
export { MemoryTier } from './memory-tier.ts';
export { brokenOff, join, storedOffset, type Join, type JoinPiece } from './partial.ts';
export { CacheRequest, REQUEST } from './request.ts';
export type { CacheResponse } from './response.ts';
export { DEFAULT_SETTINGS, isBypassed, type BypassRule, type CacheSettings } from './settings.ts';
export { settle, settleFailure, type Outcome } from './settle.ts';
export { makeEntry, mayStore, type NotStored, type StoreVerdict } from './store.ts';
export { Stored, type Tier, type TierStats, type Variants } from './tier.ts';
export { matchesVary } from './vary.ts';
