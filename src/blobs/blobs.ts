/** Door of `blobs`: a storage node, near or far. */
export {
  type AppendOptions,
  type BackendState,
  type BackendUsage,
  type BlobContent,
  type BlobEntry,
  type BlobId,
  type BlobMeta,
  type BlobRange,
  type BlobStat,
  type BlobStore,
  type BlobUsage,
  type GetOptions,
  isBlobId,
  type ListOptions,
  type PutOptions,
  type Written,
} from './model.ts';
export { BareDisk } from './bare-disk.ts';
export { BareRented } from './bare-rented.ts';
export type { BackendOptions } from './backend.ts';
export { copyBlob, type CopyWay } from './copy-blob.ts';
export { LocalBlobs, type LocalBlobsOptions } from './local-blobs.ts';
export { Pace } from './pace.ts';
export { checkRented, isRented } from './rented-address.ts';
export { RentedBlobs, type RentedOptions } from './rented-blobs.ts';
export type { ScrubSettings } from './scrub.ts';
export { ABOUT_BYTES_MAX } from './limits.ts';
export { Sums } from './sums.ts';
export { type KeepFree, parseKeepFree } from './space.ts';
export { BodyDoor, type BodyDoorOptions } from './body-door.ts';
export {
  type BlobHandler,
  blobHandler,
  type BlobHandlerOptions,
  type PutAsked,
} from './blob-handler.ts';
export { BlobServer, type BlobServerOptions } from './blob-server.ts';
export { FarBlobs, type FarBlobsOptions, type PullSource } from './far-blobs.ts';
export { type HttpBlobCall, httpBlobCall, type HttpBlobCallOptions } from './http-call.ts';
export {
  makeTicket,
  SURVEY,
  type Ticket,
  ticketCheck,
  type TicketCheck,
  type TicketClaim,
  type TicketVerb,
} from './ticket.ts';
export {
  BACKGROUND,
  type BlobCall,
  type BlobRequest,
  type BlobResponse,
  CLASS_HEADER,
} from './wire.ts';
