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
  registry: 2,
  cluster: 3,
  blobs: 3,
  database: 4,
  sql: 5,
  accounts: 5,
  addresses: 5,
  certs: 5,
  databases: 6,
  gateway: 6,
  apps: 6,
  routes: 7,
  files: 7,
  s3: 8,
  webdav: 8,
  api: 8,
  console: 8,
  standalone: 8,
  cli: 9,
  node: 10,
};

/** Parts without a single door: each of their files stands for itself. */
export const OPEN_PARTS: ReadonlySet<string> = new Set(['base', 'http']);
