/** The clocks of `cluster-leader.test.ts` and its nodes: short, so that the test is. */
export const SUSPECT_AFTER_MS = 2000;
export const LOST_AFTER_MS = 4000;
