/** What islands import as `moln/island`: on the server hooks give what there is at first, in the browser they are Preact's. */
export {
  useCallback,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useReducer,
  useRef,
  useState,
} from './jsx-runtime.ts';
