/** Forms with files that one instance reads, or has on its disk, at the same time; no one network has all of them. */
import { MolnError } from '../base/errors.ts';

/** Of all visitors. */
export const UPLOADS_MAX = 50;
/** Of those, from one network. */
export const UPLOADS_OF_NETWORK_MAX = 10;
const SECONDS = 5;

const byNetwork = new Map<string, number>();
let all = 0;

/** Counts one more until it is disposed of. Throws `WEB_BUSY`, or `WEB_TOO_MANY` when this network has its share. */
export function admitUpload(network: string): Disposable {
  if (all >= UPLOADS_MAX) {
    throw new MolnError('WEB_BUSY', 'Too many files are being sent here: try again in a moment', {
      retryable: true,
    });
  }
  const own = byNetwork.get(network) ?? 0;
  if (own >= UPLOADS_OF_NETWORK_MAX) {
    throw new MolnError(
      'WEB_TOO_MANY',
      `${own} forms with files are being sent from where you are: try again in a moment`,
      { retryable: true, details: { seconds: SECONDS } },
    );
  }
  all++;
  byNetwork.set(network, own + 1);
  return { [Symbol.dispose]: () => end(network) };
}

function end(network: string): void {
  all--;
  const left = (byNetwork.get(network) ?? 0) - 1;
  if (left > 0) byNetwork.set(network, left);
  else byNetwork.delete(network);
}
