/** Every table of cases. */
import { AGE } from './age.ts';
import { AUTHORIZATION } from './authorization.ts';
import { CACHE_STATUS } from './cache-status.ts';
import type { CaseTable } from './case.ts';
import { CHOICES } from './choices.ts';
import { CONDITIONAL } from './conditional.ts';
import { CONTROL } from './control.ts';
import { CORNERS } from './corners.ts';
import { FRESHNESS } from './freshness.ts';
import { HEAD } from './head.ts';
import { HEURISTICS } from './heuristics.ts';
import { INTERIM } from './interim.ts';
import { INVALIDATION } from './invalidation.ts';
import { ODD_PARTS } from './odd-parts.ts';
import { PARTIAL } from './partial.ts';
import { RANGES } from './ranges.ts';
import { REQUEST_DIRECTIVES } from './request-directives.ts';
import { STALE_USE } from './stale.ts';
import { STORING } from './storing.ts';
import { TARGETED } from './targeted.ts';
import { VALIDATION } from './validation.ts';
import { VARY } from './vary.ts';

export const CACHE_CASES: readonly CaseTable[] = [
  FRESHNESS,
  AGE,
  CONTROL,
  TARGETED,
  STORING,
  HEURISTICS,
  AUTHORIZATION,
  VARY,
  VALIDATION,
  HEAD,
  INVALIDATION,
  STALE_USE,
  REQUEST_DIRECTIVES,
  CONDITIONAL,
  RANGES,
  PARTIAL,
  ODD_PARTS,
  CACHE_STATUS,
  INTERIM,
  CHOICES,
  CORNERS,
];
