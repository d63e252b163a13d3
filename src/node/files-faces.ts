/** The faces that the file process opens over its store. */
import type { FaceMaker } from '../files/files.ts';
import { s3Face, websiteFace } from '../s3/s3.ts';
import { webDavFace } from '../webdav/webdav.ts';

export const faces: readonly FaceMaker[] = [s3Face, webDavFace, websiteFace];
