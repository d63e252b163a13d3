/** Exceptions from the house rules, each with its reason. An exception that nothing uses any more is an error too. */

/** Files that may use a clock, timers or randomness directly, by the start of their path. */
export const OWN_CLOCK: Readonly<Record<string, string>> = {
  'src/base/': 'time, randomness and their wrappers live here',
};

/** Files that may touch the process's environment or end it. */
export const ENTRY: RegExp = /^src\/(?:main|warm-up-main|(?:[^/]+\/)+[^/]*-main)\.ts$/;

/** Packages that more than one file may import. */
export const SPREAD_PACKAGES: Readonly<Record<string, string>> = {
  kysely:
    'src/web/kysely-main.ts hands it to apps; a test proves that an app with a Kysely of its own runs',
  preact: 'a view library: every view of src/console/browser is written in it',
  ws: 'src/hrana/web-socket.ts and src/web/sockets.ts serve with it; tests need a peer that is not ours',
};
