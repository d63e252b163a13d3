/** What an operator may choose about caching; everything else is the RFCs'. */

export interface CacheSettings {
  /** Share of the age at Last-Modified that an answer without explicit freshness counts as fresh (RFC 9111 4.2.2). */
  readonly heuristicShare: number;
  /** At most so long. */
  readonly heuristicMaxS: number;
  /** Answers 404, 405, 410, 414 and 501 that say nothing about caching are fresh for so long; 0: no negative caching. */
  readonly negativeS: number;
  /** Stale answers may be used for so long when no upstream can be reached, unless they forbid it (RFC 9111 4.2.4). */
  readonly staleUnreachableS: number;
  /** Whether clients may ask for fresher answers or none from the cache (RFC 9111 5.2.1: advisory). */
  readonly requestDirectives: boolean;
  /**
   * Answers with Set-Cookie. `public`: stored when they are declared fit for sharing (public, s-maxage or
   * CDN-Cache-Control); `always`: like any other, as RFC 9111 7.3 has it.
   */
  readonly setCookie: 'public' | 'always';
  /** A body larger than this is not stored. */
  readonly bodyBytesMax: number;
}

export const DEFAULT_SETTINGS: CacheSettings = {
  heuristicShare: 0.1,
  heuristicMaxS: 86_400,
  negativeS: 0,
  staleUnreachableS: 60,
  requestDirectives: true,
  setCookie: 'public',
  bodyBytesMax: 256 * 1024 * 1024,
};
