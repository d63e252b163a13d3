/**
 * Basic checks of a page for people who do not see it, do not use a mouse, or see little. Each runs inside the page
 * and returns what is wrong in words; an empty list is a pass. Not a replacement for listening to a page.
 */
import type { Page } from './browser.ts';

/** Things that are operated without a name, repeated ids, pictures that say nothing, missing landmarks. */
export function namesMissing(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => {
    const wrong: string[] = [];
    const say = (what: string, element: Element): void => {
      wrong.push(`${what}: ${element.outerHTML.slice(0, 120)}`);
    };
    const textOf = (id: string): string => document.getElementById(id)?.textContent ?? '';
    const nameOf = (element: Element): string =>
      [
        element.getAttribute('aria-label'),
        (element.getAttribute('aria-labelledby') ?? '').split(' ').map(textOf).join(' '),
        element instanceof HTMLInputElement || element instanceof HTMLSelectElement
          ? [...(element.labels ?? [])].map((label) => label.textContent).join(' ')
          : element.textContent,
      ]
        .join(' ')
        .trim();
    for (const element of document.querySelectorAll(
      'a[href], button, input, select, textarea, dialog, [role=region], [role=figure], [role=log]',
    )) {
      if (nameOf(element) === '') say('No name', element);
    }
    for (const picture of document.querySelectorAll('svg, img')) {
      const named = picture.hasAttribute('aria-label') || picture.hasAttribute('alt');
      if (picture.getAttribute('aria-hidden') !== 'true' && !named) say('Unnamed', picture);
    }
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    for (const id of ids)
      if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`Id twice: ${id}`);
    for (const table of document.querySelectorAll('table')) {
      if (table.caption === null) say('No caption', table);
      if (table.querySelector('th') === null) say('No header', table);
    }
    if (document.documentElement.lang === '') wrong.push('The page has no language');
    if (document.querySelectorAll('h1').length !== 1) wrong.push('The page has not exactly one h1');
    if (document.querySelectorAll('main').length !== 1) wrong.push('The page has not one main');
    return wrong;
  });
}

/** Text whose contrast with what lies behind it is below 4.5:1 (3:1 when large). WCAG 2.2 §1.4.3. */
export function contrastMissing(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => {
    const channels = (color: string): readonly number[] =>
      (/^rgba?\(([^)]+)\)/.exec(color)?.[1] ?? '0, 0, 0, 0').split(',').map(Number);
    const luminance = (color: string): number => {
      const [red = 0, green = 0, blue = 0] = channels(color).map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ratio = (one: string, other: string): number => {
      const [low = 0, high = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    };
    const behind = (element: Element): string => {
      for (let at: Element | null = element; at !== null; at = at.parentElement) {
        const { backgroundColor } = getComputedStyle(at);
        if ((channels(backgroundColor)[3] ?? 1) === 1) return backgroundColor;
      }
      return 'rgb(255, 255, 255)';
    };
    const wrong = new Set<string>();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement;
      const text = (node.textContent ?? '').trim();
      if (element === null || text === '' || element.closest('script, svg, :disabled') !== null) {
        continue;
      }
      if (!element.checkVisibility()) continue;
      const style = getComputedStyle(element);
      const size = Number.parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      const found = ratio(style.color, behind(element));
      if (found >= (large ? 3 : 4.5)) continue;
      wrong.add(`"${text.slice(0, 40)}" has ${found.toFixed(2)}:1 (${style.color})`);
    }
    return [...wrong];
  });
}

/** Presses Tab through the page; names what got the focus without showing it. */
export async function focusUnseen(page: Page, steps: number): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (let step = 0; step < steps; step++) {
    await page.keyboard.press('Tab');
    const unseen = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === null || element === document.body) return undefined;
      const inner = element.querySelector('rect');
      const outline = getComputedStyle(element);
      if (outline.outlineStyle !== 'none' && Number.parseFloat(outline.outlineWidth) >= 2) return;
      // Links in pictures draw their ring as the outline of their shape.
      if (inner !== null && Number.parseFloat(getComputedStyle(inner).strokeWidth) >= 2) return;
      return element.outerHTML.slice(0, 120);
    });
    if (unseen !== undefined) wrong.push(unseen);
  }
  return wrong;
}

/** By how many pixels the page is wider than the window: 0 is right. */
export function tooWideBy(page: Page): Promise<number> {
  return page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - innerWidth));
}
