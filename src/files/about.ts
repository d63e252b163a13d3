/**
 * What the first block of a content says about it, for the day on which only disks are left: whose bytes these are beside the name, which
 * the block has anyway. Written with the bytes, so it knows of no later change: a new name, other fields, a removal.
 */
import { ABOUT_BYTES_MAX } from '../blobs/blobs.ts';
import type { Code } from '../erasure/erasure.ts';
import type { ObjectFields } from './model.ts';

export interface About {
  /** Of the content, when it was announced. */
  readonly size?: number | undefined;
  readonly fields?: ObjectFields | undefined;
  /** It is this part of an upload. */
  readonly upload?: string | undefined;
  readonly part?: number | undefined;
  /** It was appended: where in the object it begins. What was there from that byte on, it has too. */
  readonly at?: number | undefined;
  /** Of a blob that is a share: of what. The rest is as it was said of the block. */
  readonly share?: ShareAbout | undefined;
}

export interface ShareAbout {
  readonly code: Code;
  readonly number: number;
  /** Of the block. */
  readonly length: number;
  /** Of the block, in hex. */
  readonly sha256: string;
}

/** Without the fields when they are too long for it. */
export function encodeAbout(about: About): string {
  const { owner: _owner, acl: _acl, lock: _lock, ...fields } = about.fields ?? {};
  const whole = JSON.stringify({ ...about, fields });
  if (Buffer.byteLength(whole) <= ABOUT_BYTES_MAX) return whole;
  return JSON.stringify({ ...about, fields: undefined });
}

/** Nothing of what was not written so. */
export function decodeAbout(text: string | undefined): About {
  try {
    const about = JSON.parse(text ?? '{}') as About;
    return typeof about === 'object' && about !== null ? about : {};
  } catch {
    return {};
  }
}
