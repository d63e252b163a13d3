/** Numbers of the wire (RFC 9113 6, 7, 11; RFC 8441 3). */

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** One bit means different things in different frames. */
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const ERROR = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  connect: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;

export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  concurrentStreamsMax: 3,
  initialWindowSize: 4,
  frameSizeMax: 5,
  headerListSizeMax: 6,
  enableConnectProtocol: 8,
} as const;

export const FRAME_HEAD_BYTES = 9;
/** Of SETTINGS_MAX_FRAME_SIZE, which we never raise (RFC 9113 6.5.2). */
export const FRAME_BYTES_MAX = 16_384;
export const FRAME_BYTES_LIMIT = 16_777_215;
export const WINDOW_BYTES_MAX = 2_147_483_647;
/** Before SETTINGS say otherwise (RFC 9113 6.9.2). */
export const WINDOW_BYTES_DEFAULT = 65_535;
export const STREAM_ID_MAX = 2_147_483_647;
/** RFC 9113 3.4. */
export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
