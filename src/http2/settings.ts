/** SETTINGS (RFC 9113 6.5): what the peer says, judged, and what we say. */
import {
  ERROR,
  FRAME_BYTES_LIMIT,
  FRAME_BYTES_MAX,
  SETTING,
  WINDOW_BYTES_DEFAULT,
  WINDOW_BYTES_MAX,
} from './codes.ts';
import { uint32 } from './frame-reader.ts';
import { H2Error } from './h2-error.ts';
import { writeUint32 } from './out-buffer.ts';
import { TABLE_BYTES_DEFAULT } from './static-table.ts';

const SETTING_BYTES = 6;

/** Of what the peer can say, that which concerns what it is sent. Frames never get longer than all have to take. */
export interface PeerSettings {
  headerTableBytes: number;
  windowBytes: number;
  /** Of a server: requests under way at once. */
  streamsMax: number;
}

export const DEFAULT_PEER_SETTINGS: PeerSettings = {
  headerTableBytes: TABLE_BYTES_DEFAULT,
  windowBytes: WINDOW_BYTES_DEFAULT,
  streamsMax: Infinity,
};

/** The settings after those of the payload. Throws H2Error. */
export function readSettings(
  known: PeerSettings,
  bytes: Buffer,
  from: number,
  to: number,
): PeerSettings {
  if ((to - from) % SETTING_BYTES !== 0) {
    throw new H2Error(ERROR.frameSize, `SETTINGS has ${to - from} bytes`);
  }
  const settings = { ...known };
  for (let at = from; at < to; at += SETTING_BYTES) {
    const value = uint32(bytes, at + 2);
    switch (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)) {
      case SETTING.headerTableSize:
        settings.headerTableBytes = value;
        break;
      case SETTING.enablePush:
      case SETTING.enableConnectProtocol:
        if (value > 1) throw badSetting('A setting that is on or off', value);
        break;
      case SETTING.concurrentStreamsMax:
        settings.streamsMax = value;
        break;
      case SETTING.initialWindowSize:
        if (value > WINDOW_BYTES_MAX) {
          throw new H2Error(ERROR.flowControl, `The first window has ${value} bytes`);
        }
        settings.windowBytes = value;
        break;
      case SETTING.frameSizeMax:
        if (value < FRAME_BYTES_MAX || value > FRAME_BYTES_LIMIT) {
          throw badSetting('The largest frame', value);
        }
        break;
      default:
      // RFC 9113 6.5.2: one that is not known is ignored.
    }
  }
  return settings;
}

function badSetting(what: string, value: number): H2Error {
  return new H2Error(ERROR.protocol, `${what} is ${value}`);
}

/** A payload. */
export function settingsPayload(
  settings: readonly (readonly [id: number, value: number])[],
): Buffer {
  const bytes = Buffer.alloc(settings.length * SETTING_BYTES);
  for (const [index, [id, value]] of settings.entries()) {
    bytes[index * SETTING_BYTES + 1] = id;
    writeUint32(bytes, index * SETTING_BYTES + 2, value);
  }
  return bytes;
}
