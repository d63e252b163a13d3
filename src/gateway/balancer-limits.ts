/** Limits of balancers that are not configurable, and what is usual for those that are. */

export const BALANCER = {
  /** In one config. */
  balancersMax: 64,
  /** Of one balancer, or of one name of it. */
  upstreamsMax: 1000,
  weightMax: 256,
  /** Ranges of one listener. */
  trustMax: 1000,
  timeMsMax: 604_800_000,
  /** Pause after a failed connect; doubles up to the second value. */
  downFirstMs: 250,
  downMostMs: 5_000,
  /** So many checks in a row decide. */
  healthFall: 3,
  healthRise: 2,
} as const;

/** Of sessions of UDP. */
export const UDP = {
  /** Held for one session while its upstream's name is looked up; more are dropped. */
  heldDatagramsMax: 16,
  /** Waiting in this process for the kernel, of one socket; more are dropped. */
  queuedBytesMax: 1_048_576,
  /** A port that is given up closes when nothing came for so long, */
  quietMs: 1_000,
  /** and at last after so long. */
  leaveMsMax: 5_000,
} as const;

/** Where a config says nothing else. */
export const DEFAULT_BALANCER = {
  /** An upstream is in the same network; the next one is tried beyond it. */
  connectMs: 5_000,
  /** Of TCP: longer than what SSH, IMAP and MySQL let pass without a byte. */
  tcpIdleMs: 3_600_000,
  /** Of UDP: as long as most address translators remember. */
  udpIdleMs: 60_000,
  tcpConnectionsMax: 20_000,
  /** Each has a socket of its own. */
  udpSessionsMax: 4000,
  healthIntervalMs: 5_000,
  healthTimeoutMs: 2_000,
} as const;
