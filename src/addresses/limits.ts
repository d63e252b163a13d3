/**
 * The clocks of virtual addresses, and sizes. They belong together: a holder that cannot renew its lease has lost the address by
 * itself before the registry may give it to another node, whatever becomes of the agent (`fenceMs` below is what has to hold).
 */

/** Life of the lease of the nodes that hold addresses; whole seconds, as etcd has them. */
export const HOLDER_TTL_MS = 6000;
/** How often it is renewed, and the life in the kernel with it. */
export const RENEW_EVERY_MS = 500;
/**
 * The kernel takes an address away so long after it was last told to keep it. In whole seconds; long enough for the managers
 * to elect a leader of theirs, which no renewal survives sooner.
 */
export const KERNEL_LIFE_S = 3;
/** The kernel looks at most once a second, and rounds by a quarter of one (`check_lifetime` in net/ipv4/devinet.c). */
export const KERNEL_SLACK_MS = 1500;
/** The kernel is told only as long as the question to the registry was sent no longer ago than this. */
export const TELL_WITHIN_MS = 1000;
/** A call of a program that takes longer is killed, also when the agent is stopped meanwhile. */
export const COMMAND_WITHIN_MS = 500;

/** The last moment, counted from when the renewal was sent, at which the kernel may still have the address. */
export function fenceMs(): number {
  return TELL_WITHIN_MS + COMMAND_WITHIN_MS + KERNEL_LIFE_S * 1000 + KERNEL_SLACK_MS;
}

/** Calls that fail in a row before an address is put up from the start. */
export const FAILED_TELLS_MAX = 2;
/** Neighbours are told again who has the address: a switch forgets, or was started anew. */
export const ANNOUNCE_EVERY_MS = 5000;
/** The next in order waits so long for the one before to take an address that nobody has. */
export const TURN_MS = 1000;
/** How often a holder looks whether it still can (carrier, gateway), and everybody while an address is free. */
export const LOOK_EVERY_MS = 2000;
/** How often the others look, beside the news that a watch tells them. */
export const IDLE_LOOK_EVERY_MS = 10_000;
/** A gateway that does not serve for so long makes its node give addresses to others. */
export const GATEWAY_SILENT_MS = 3000;
/** An address that somebody else had, or that could not be set, is not tried again on that node for so long. */
export const REFUSED_MS = 5000;
/** Who has an address is waited for so long; the kernel repeats the question after a second. */
export const PROBE_MS = 600;
export const PROBE_POLL_MS = 60;

/** Of one cluster. */
export const ADDRESSES_MAX = 64;
/** Whether a node can hold an address, asked of each. */
export const ABILITY_WITHIN_MS = 5000;
/** `add` and `remove` answer when a node holds the address, or nobody does; or after this. */
export const SETTLE_WITHIN_MS = 10_000;
export const SETTLE_POLL_MS = 100;
/** A node that stops gives addresses back within this, or their time ends by itself. */
export const LEAVE_WITHIN_MS = 3000;
