/** What the API says of virtual addresses. */
import type { AddressRequest, AddressRow } from '../addresses/addresses.ts';

export type { AddressRequest, AddressRow };

/** What the API needs of the node for them. */
export interface AddressCloud {
  listAddresses(): Promise<readonly AddressRow[]>;
  /**
   * Answers when a node holds it, or why none does after a while. Throws `ADDRESSES_INVALID`, `ADDRESSES_EXISTS`,
   * `ADDRESSES_TAKEN`, `ADDRESSES_UNABLE`, `ADDRESSES_NODE_NOT_FOUND`, `ADDRESSES_TOO_MANY`.
   */
  addAddress(request: AddressRequest, by: string): Promise<AddressRow>;
  /** Answers when nobody holds it any more. Throws `ADDRESSES_NOT_FOUND`. */
  removeAddress(address: string): Promise<void>;
}
