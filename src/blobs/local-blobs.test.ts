import { blobConformance } from '../../testing/blob-conformance.ts';
import { BlobNode } from '../../testing/blob-kit.ts';

blobConformance('near', () => BlobNode.start());
