/**
 * What islands import as `moln/island`: Preact's hooks. Those of here are the server's, which writes each island once: they give what there
 * is at first, and nothing happens later. In the browser they are Preact's own.
 */
import type * as browser from 'preact/hooks';

let ids = 0;
const nothing = (): void => undefined;

export const useState = ((first?: unknown) => [
  typeof first === 'function' ? (first as () => unknown)() : first,
  nothing,
]) as typeof browser.useState;

export const useReducer = ((
  _reducer: unknown,
  first: unknown,
  init?: (from: unknown) => unknown,
) => [init === undefined ? first : init(first), nothing]) as typeof browser.useReducer;

export const useMemo = ((make: () => unknown) => make()) as typeof browser.useMemo;
export const useCallback = ((callback: unknown) => callback) as typeof browser.useCallback;
export const useRef = ((first: unknown) => ({ current: first })) as typeof browser.useRef;
export const useEffect: typeof browser.useEffect = nothing;
export const useLayoutEffect: typeof browser.useLayoutEffect = nothing;
export const useId: typeof browser.useId = () => `island-${(ids += 1)}`;
