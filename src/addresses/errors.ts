/** What can be wrong with a virtual address. */
import { MolnError } from '../base/errors.ts';
import { ADDRESSES_MAX } from './limits.ts';

export function addressInvalid(text: string, why: string): MolnError {
  return new MolnError('ADDRESSES_INVALID', `"${text}" cannot be a virtual address: ${why}`, {
    hint: 'Choose a free address of the network that the nodes are in, such as 192.168.1.50',
  });
}

export function addressNotFound(text: string): MolnError {
  return new MolnError('ADDRESSES_NOT_FOUND', `There is no virtual address "${text}"`, {
    hint: 'Run "moln address list" to see them',
  });
}

export function addressExists(text: string): MolnError {
  return new MolnError('ADDRESSES_EXISTS', `${text} is a virtual address already`, {
    hint: `To change it, remove it first: "moln address remove ${text}"`,
  });
}

export function nodeUnknown(message: string): MolnError {
  return new MolnError('ADDRESSES_NODE_NOT_FOUND', message, { hint: 'Run "moln nodes"' });
}

export function tooManyAddresses(): MolnError {
  return new MolnError(
    'ADDRESSES_TOO_MANY',
    `There are ${ADDRESSES_MAX} virtual addresses already`,
    {
      hint: 'Remove one with "moln address remove ADDRESS"',
    },
  );
}

/** `why`: half a sentence about "it", the node. */
export function cannotHold(why: string, hint: string): MolnError {
  return new MolnError('ADDRESSES_UNABLE', why, { hint });
}

/** `whys`: a whole sentence of each node. */
export function nobodyCanHold(whys: readonly string[], hint: string): MolnError {
  const message = whys.length === 0 ? 'No node is heard of that could hold it' : whys.join('; ');
  return new MolnError('ADDRESSES_UNABLE', message, { hint });
}

/** Somebody has the address. `message`: a whole sentence. */
export function addressTaken(message: string): MolnError {
  return new MolnError('ADDRESSES_TAKEN', message, {
    hint: 'Choose an address that no machine has and that no DHCP server gives away',
  });
}

/** A program of the system said no. */
export function commandFailed(command: string, said: string): MolnError {
  return new MolnError('ADDRESSES_COMMAND_FAILED', `"${command}" failed: ${said}`, {
    retryable: true,
  });
}

export function stillHeld(address: string, node: string): MolnError {
  return new MolnError(
    'ADDRESSES_HELD_TIMEOUT',
    `${address} is removed, but ${node} has not let it go yet`,
    { retryable: true, hint: 'It ends by itself within seconds when that node is not heard' },
  );
}
