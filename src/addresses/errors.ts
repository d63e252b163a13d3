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
    hint: 'Remove it first to change it: "moln address remove ADDRESS"',
  });
}

export function tooManyAddresses(): MolnError {
  return new MolnError('ADDRESSES_TOO_MANY', `There are ${ADDRESSES_MAX} virtual addresses already`, {
    hint: 'Remove one with "moln address remove ADDRESS"',
  });
}

export function cannotHold(why: string, hint: string): MolnError {
  return new MolnError('ADDRESSES_UNABLE', why, { hint });
}

/** A program of the system said no. */
export function commandFailed(command: string, said: string): MolnError {
  return new MolnError('ADDRESSES_COMMAND_FAILED', `"${command}" failed: ${said}`, {
    retryable: true,
  });
}
