/** The part of the `Cloud` in memory that is about virtual addresses. */
import type { AddressCloud, AddressRow } from '../src/api/address-model.ts';
import { MemoryDatabases } from './api-memory-databases.ts';

const ADDRESS: AddressRow = {
  address: '192.168.1.50',
  nodes: [],
  addedAt: 1,
  by: 'boss',
  sentence: 'one holds it: nobody held it',
  holder: { node: 'one', since: 2, why: 'nobody held it' },
  unable: [],
};

export class MemoryAddresses extends MemoryDatabases implements AddressCloud {
  listAddresses(): ReturnType<AddressCloud['listAddresses']> {
    return Promise.resolve([ADDRESS]);
  }

  addAddress(
    ...asked: Parameters<AddressCloud['addAddress']>
  ): ReturnType<AddressCloud['addAddress']> {
    this.calls.push({ addAddress: asked });
    return Promise.resolve(ADDRESS);
  }

  removeAddress(address: string): Promise<void> {
    this.calls.push({ removeAddress: address });
    return Promise.resolve();
  }
}
