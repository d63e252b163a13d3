/** What active checks say of one upstream: so many in a row turn it, the first one decides at once. */
import type { HealthConfig } from './balance-config.ts';

export interface Health {
  readonly isUp: boolean;
  /** Checks in a row that said the opposite. */
  readonly against: number;
  readonly isKnown: boolean;
}

/** Before its first check an upstream is taken for healthy: a route must not wait for checks. */
export const UNCHECKED: Health = { isUp: true, against: 0, isKnown: false };

export function afterCheck(
  state: Health,
  isGood: boolean,
  { rise, fall }: Pick<HealthConfig, 'rise' | 'fall'>,
): Health {
  if (!state.isKnown) return { isUp: isGood, against: 0, isKnown: true };
  if (isGood === state.isUp) return state.against === 0 ? state : { ...state, against: 0 };
  const against = state.against + 1;
  const turns = against >= (state.isUp ? fall : rise);
  return turns ? { isUp: isGood, against: 0, isKnown: true } : { ...state, against };
}

const OK_LEAST = 200;
const OK_MOST = 399;

export function isHealthyStatus(status: number, { status: wanted }: HealthConfig): boolean {
  if (wanted !== undefined) return wanted.includes(status);
  return status >= OK_LEAST && status <= OK_MOST;
}
