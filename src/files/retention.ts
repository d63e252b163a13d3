/** Versions that may not go yet: retention and legal hold (S3's Object Lock). Pure; judged inside the commit, whoever removes. */
import { held } from './errors.ts';
import type { ObjectLock } from './model.ts';

/** Whether a version may not be removed now. A legal hold and `COMPLIANCE` let nobody through. */
export function isHeld(
  lock: ObjectLock | undefined,
  nowMs: number,
  bypassGovernance: boolean,
): boolean {
  if (lock === undefined) return false;
  if (lock.hold === true) return true;
  if (lock.until === undefined || lock.until <= nowMs) return false;
  return lock.mode === 'COMPLIANCE' || !bypassGovernance;
}

/** Throws `FILES_HELD`. */
export function checkHeld(
  key: string,
  lock: ObjectLock | undefined,
  {
    now,
    bypassGovernance = false,
  }: { readonly now: number; readonly bypassGovernance?: boolean | undefined },
): void {
  if (isHeld(lock, now, bypassGovernance)) throw held(key);
}
