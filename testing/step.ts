/** A part of a story whose later parts make no sense without it. */
import type { TestContext } from 'node:test';

/** A subtest; when it fails, the whole test ends there, and the nodes' folders are kept. */
export async function step(
  t: TestContext,
  name: string,
  work: (t: TestContext) => Promise<void>,
): Promise<void> {
  let failed = false;
  await t.test(name, async (own) => {
    failed = true;
    await work(own);
    failed = false;
  });
  if (failed) throw new Error(`"${name}" failed, and the rest builds on it`);
}
