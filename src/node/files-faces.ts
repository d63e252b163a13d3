/** The faces that the file process serves; it loads this module by its name, for they lie above it. */
import type { FaceMaker } from '../files/files.ts';

export const faces: readonly FaceMaker[] = [];
