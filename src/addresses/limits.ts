/**
 * The clocks of virtual addresses, and sizes. They belong together: a holder that cannot renew its lease has lost the address by
 * itself before the registry may give it to another node, whatever becomes of the agent (`fenceMs` below is what has to hold).
 */

/** Life of the lease of the nodes that hold addresses. */
export const HOLDER_TTL_MS = 6000;
/** How often it is renewed, and the life in the kernel with it. */
export const RENEW_EVERY_MS = 1000;
/** The kernel takes an address away so long after it was last told to keep it. In whole seconds. */
export const KERNEL_LIFE_S = 3;
/** The kernel looks when it suits it: it was seen to be 0.3 s late. */
export const KERNEL_SLACK_MS = 1000;
/** The kernel is told only as long as the question to the registry was sent no longer ago than this. */
export const TELL_WITHIN_MS = 1000;
/** A call of `ip` that takes longer is killed, also when the agent is stopped meanwhile. In whole seconds. */
export const IP_WITHIN_S = 1;

/** The last moment, counted from when the renewal was sent, at which the kernel may still have the address. */
export function fenceMs(): number {
  return TELL_WITHIN_MS + (IP_WITHIN_S + KERNEL_LIFE_S) * 1000 + KERNEL_SLACK_MS;
}

/** Neighbours are told again who has the address: a switch may have been started anew. */
export const ANNOUNCE_EVERY_MS = 5000;
/** The next in order waits so long for the one before to take an address that nobody has. */
export const TURN_MS = 1000;
/** A holder whose gateway does not answer so many times in a row gives the address to a node whose gateway does. */
export const SILENT_GATEWAYS_MAX = 3;
export const GATEWAY_WITHIN_MS = 1000;
/** Connections that are under way when an address moves may take so long; a client's second SYN comes after 1 s. */
export const QUIET_MS = 600;
export const QUIET_POLL_MS = 20;

/** Of one cluster. */
export const ADDRESSES_MAX = 64;
/** Whether a node can hold an address, asked of each. */
export const ABILITY_WITHIN_MS = 5000;
