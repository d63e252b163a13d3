/**
 * A limit on what is under way that follows the latency: the gradient of Netflix's concurrency-limits. While recent answers are about as fast
 * as those of a longer time the limit grows by its square root, and when they get slower, requests are queueing
 * at the upstream, and it shrinks in proportion.
 */

const FIRST_LIMIT = 20;
const LEAST_LIMIT = 2;
/** Answers over which the longer time is averaged. */
const LONG_ANSWERS = 200;
const SHORT_ANSWERS = 10;
/** Latency may grow by so much before the limit shrinks. */
const TOLERANCE = 1.5;
/** At most halved at once. */
const GRADIENT_LEAST = 0.5;
/** How much of a new limit counts. */
const SMOOTHING = 0.2;

export interface AdaptiveLimit {
  readonly limit: number;
  readonly longMs: number;
  readonly shortMs: number;
}

export function firstLimit(limitMax: number): AdaptiveLimit {
  return { limit: Math.min(FIRST_LIMIT, limitMax), longMs: 0, shortMs: 0 };
}

/** `load`: what was under way. A failure counts as a sign of too much by itself. */
export function afterAnswer(
  state: AdaptiveLimit,
  answer: { readonly latencyMs: number; readonly load: number; readonly isFailure: boolean },
  limitMax: number,
): AdaptiveLimit {
  const { latencyMs, load, isFailure } = answer;
  if (isFailure) {
    return { ...state, limit: clamp(state.limit * (1 - SMOOTHING * GRADIENT_LEAST), limitMax) };
  }
  if (state.longMs === 0) return { ...state, longMs: latencyMs, shortMs: latencyMs };
  const shortMs = state.shortMs + (latencyMs - state.shortMs) / SHORT_ANSWERS;
  // When it has become faster the past is forgotten sooner, or the limit would be too large for long.
  const longAnswers = shortMs < state.longMs / 2 ? SHORT_ANSWERS : LONG_ANSWERS;
  const longMs = state.longMs + (latencyMs - state.longMs) / longAnswers;
  const gradient = Math.max(GRADIENT_LEAST, Math.min(1, (TOLERANCE * longMs) / shortMs));
  // A limit that nobody comes near to says nothing, and does not grow.
  if (gradient === 1 && load < state.limit / 2) return { ...state, longMs, shortMs };
  const wanted = state.limit * gradient + Math.sqrt(state.limit);
  return {
    limit: clamp(state.limit + SMOOTHING * (wanted - state.limit), limitMax),
    longMs,
    shortMs,
  };
}

function clamp(limit: number, limitMax: number): number {
  return Math.max(LEAST_LIMIT, Math.min(limitMax, limit));
}
