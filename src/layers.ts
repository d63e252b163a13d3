/**
 * The level table. A file imports its own folder freely, `base/` files directly, and a lower level only through
 * that part's door `<name>/<name>.ts`; nothing sideways, nothing up. `node` is the composition root; `main.ts` and tests
 * are exempt.
 * `tests/tidy.test.ts` checks it.
 */
export const LEVELS: Readonly<Record<string, number>> = {
  base: 0,
  erasure: 1,
  http: 1,
  net: 1,
  slots: 1,
  sqlite: 1,
  web: 1,
  xml: 1,
  workbench: 2,
  http2: 2,
  cache: 2,
  planner: 2,
  hrana: 2,
  registry: 3,
  cluster: 4,
  blobs: 4,
  database: 5,
  sql: 6,
  accounts: 6,
  addresses: 6,
  certs: 6,
  databases: 7,
  gateway: 7,
  apps: 7,
  routes: 8,
  files: 8,
  s3: 9,
  webdav: 9,
  api: 9,
  console: 9,
  standalone: 9,
  cli: 10,
  node: 11,
};

/** Parts without a single door: each of their files stands for itself. */
export const OPEN_PARTS: ReadonlySet<string> = new Set(['base', 'http']);
