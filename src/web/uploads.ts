/** Forms with files that one instance reads, or has on its disk, at the same time; no one address has all of them. */
import { peerGroup } from '../base/addresses.ts';
import { MolnError } from '../base/errors.ts';

/** Of all visitors. */
export const UPLOADS_MAX = 50;
/** Of those, from one address (IPv6: of one /64, which one machine commonly owns). */
export const UPLOADS_OF_ADDRESS_MAX = 10;
const SECONDS = 5;

const byAddress = new Map<string, number>();
let all = 0;

/** Counts one more until it is disposed of. Throws `WEB_BUSY`, or `WEB_TOO_MANY` when this address has its share. */
export function admitUpload(address: string): Disposable {
  if (all >= UPLOADS_MAX) {
    throw new MolnError('WEB_BUSY', 'Too many files are being sent here: try again in a moment', {
      retryable: true,
    });
  }
  const from = peerGroup(address);
  const own = byAddress.get(from) ?? 0;
  if (own >= UPLOADS_OF_ADDRESS_MAX) {
    throw new MolnError(
      'WEB_TOO_MANY',
      `${own} forms with files are being sent from where you are: try again in a moment`,
      { retryable: true, details: { seconds: SECONDS } },
    );
  }
  all++;
  byAddress.set(from, own + 1);
  return { [Symbol.dispose]: () => end(from) };
}

function end(from: string): void {
  all--;
  const left = (byAddress.get(from) ?? 0) - 1;
  if (left > 0) byAddress.set(from, left);
  else byAddress.delete(from);
}
