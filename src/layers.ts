/**
 * The level table. A file imports its own folder freely, `base/` files directly, and a lower level only through
 * that part's door `<name>/<name>.ts`; nothing sideways, nothing up. `node` is the composition root; `main.ts` and tests
 * are exempt.
 * `tests/tidy.test.ts` checks it.
 */
export const LEVELS: Readonly<Record<string, number>> = {
  base: 0,
  http: 1,
  net: 1,
  sqlite: 1,
  cache: 2,
  hrana: 2,
  registry: 2,
  cluster: 3,
  accounts: 5,
  gateway: 6,
  apps: 6,
  api: 7,
  console: 7,
  standalone: 7,
  cli: 8,
  node: 9,
};

/** Parts without a single door: each of their files stands for itself. */
export const OPEN_PARTS: ReadonlySet<string> = new Set(['base', 'http']);
