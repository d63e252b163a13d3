/** What the stories of the console in a real browser have in common. */
import assert from 'node:assert/strict';
import type { Page, TestBrowser } from '../testing/browser.ts';
import { contrastMissing, focusUnseen, namesMissing, tooWideBy } from '../testing/page-checks.ts';
import type { TestNode } from '../testing/test-node.ts';
import { until as untilWithin } from '../testing/until.ts';

const WITHIN_MS = 60_000;
const PHONE = { width: 360, height: 740 } as const;
const TABS_PRESSED = 25;

/** With the patience that a browser needs on a busy machine. */
export function until(what: string, condition: () => boolean | Promise<boolean>): Promise<boolean> {
  return untilWithin(what, condition, { withinMs: WITHIN_MS });
}

export async function loginLink(node: TestNode): Promise<string> {
  return (await node.json<{ readonly url: string }>('console')).url;
}

export async function text(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).first().textContent()) ?? '';
}

/** What has the focus, by its name. */
export function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement;
    return element?.getAttribute('aria-label') ?? element?.textContent?.trim() ?? '';
  });
}

export async function tabTo(page: Page, name: string): Promise<void> {
  await until(`Tab to reach "${name}"`, async () => {
    await page.keyboard.press('Tab');
    return (await focused(page)) === name;
  });
}

/** Names, contrast in light and dark, room on a phone, and a focus that is seen, on each of these paths. */
export async function pagesAreForEverybody(
  browser: TestBrowser,
  page: Page,
  paths: readonly string[],
): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    const other = await browser.page({ colorScheme }, page);
    for (const path of paths) {
      await other.goto(new URL(path, page.url()).href);
      await other.waitForSelector('.panel');
      assert.deepEqual(await contrastMissing(other), [], `${path} ${colorScheme}`);
      assert.deepEqual(await namesMissing(other), [], path);
    }
    await other.close();
  }
  const phone = await browser.page(PHONE, page);
  for (const path of paths) {
    await phone.goto(new URL(path, page.url()).href);
    await phone.waitForSelector('.panel');
    assert.equal(await tooWideBy(phone), 0, path);
    assert.deepEqual(await focusUnseen(phone, TABS_PRESSED), [], path);
  }
  await phone.close();
}
