/** Codes of what can go wrong between this process and a socket. */

export const NET_PORT_TAKEN = 'NET_PORT_TAKEN';
export const NET_ADDRESS_UNUSABLE = 'NET_ADDRESS_UNUSABLE';
export const NET_SOCKET_PATH_TOO_LONG = 'NET_SOCKET_PATH_TOO_LONG';
export const NET_SOCKET_TAKEN = 'NET_SOCKET_TAKEN';
export const NET_LINE_TOO_LONG = 'NET_LINE_TOO_LONG';
export const NET_LINE_INVALID = 'NET_LINE_INVALID';
/** No connection, or it broke before the answer: what was asked may or may not have been done. */
export const NET_RPC_UNREACHABLE = 'NET_RPC_UNREACHABLE';
export const NET_RPC_BROKEN = 'NET_RPC_BROKEN';
export const NET_RPC_DEADLINE = 'NET_RPC_DEADLINE';
export const NET_RPC_NOT_TRUSTED = 'NET_RPC_NOT_TRUSTED';
export const NET_RPC_TOO_LARGE = 'NET_RPC_TOO_LARGE';
export const NET_RPC_UNKNOWN_METHOD = 'NET_RPC_UNKNOWN_METHOD';
export const NET_RPC_INVALID = 'NET_RPC_INVALID';
