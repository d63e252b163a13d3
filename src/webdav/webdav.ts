/** Door of `webdav`: the file store as a network folder. */
export { WebDavFace, type WebDavFaceOptions } from './webdav-face.ts';
