/** Codes of what can go wrong between this process and a socket. */

export const NET_PORT_TAKEN = 'NET_PORT_TAKEN';
export const NET_ADDRESS_UNUSABLE = 'NET_ADDRESS_UNUSABLE';
export const NET_SOCKET_PATH_TOO_LONG = 'NET_SOCKET_PATH_TOO_LONG';
export const NET_SOCKET_TAKEN = 'NET_SOCKET_TAKEN';
export const NET_LINE_TOO_LONG = 'NET_LINE_TOO_LONG';
export const NET_LINE_INVALID = 'NET_LINE_INVALID';
