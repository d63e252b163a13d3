/** Codes of the gateway's errors: stable, scripts match on them. */

/** A listen port has another owner; `details.port`, `details.pid` when it can be seen. */
export const GATEWAY_PORT_TAKEN = 'GATEWAY_PORT_TAKEN';
/** Binding a listen address failed for another reason (no permission, no such address). */
export const GATEWAY_LISTEN_FAILED = 'GATEWAY_LISTEN_FAILED';
/** A worker refused a config; it goes on with the one before. */
export const GATEWAY_CONFIG_REFUSED = 'GATEWAY_CONFIG_REFUSED';
/** A worker was told what to change about a config that it does not use; it gets the whole one then. */
export const GATEWAY_CONFIG_BEHIND = 'GATEWAY_CONFIG_BEHIND';
/** What the cache may keep in memory is more than a worker can have. */
export const GATEWAY_CACHE_TOO_LARGE = 'GATEWAY_CACHE_TOO_LARGE';
/** A worker did not start, or does not answer on its control socket. */
export const GATEWAY_WORKER_FAILED = 'GATEWAY_WORKER_FAILED';
/** The supervisor was stopped or detached while something waited for it. */
export const GATEWAY_STOPPED = 'GATEWAY_STOPPED';
/** The other side of a control socket sent something that is not the protocol. */
export const GATEWAY_PROTOCOL = 'GATEWAY_PROTOCOL';
