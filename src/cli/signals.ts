/** Ctrl-C and its kin. The only file of the CLI that listens to the process's signals. */
import type { SignalSource } from './io.ts';

const STOP_SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Calls with each stop signal instead of dying of it, until disposed. */
export function onStopSignals(
  call: (signal: string) => void,
  source: SignalSource = process,
): Disposable {
  const listeners = STOP_SIGNALS.map((signal) => {
    const listener = (): void => call(signal);
    source.on(signal, listener);
    return () => source.off(signal, listener);
  });
  return {
    [Symbol.dispose]: () => {
      for (const remove of listeners) remove();
    },
  };
}

/** Signals that ask for something and do not end the process. */
export function onRequests(
  calls: Readonly<Partial<Record<'SIGUSR1' | 'SIGUSR2' | 'SIGQUIT', () => void>>>,
  source: SignalSource = process,
): Disposable {
  const given = Object.entries(calls) as (readonly [NodeJS.Signals, () => void])[];
  for (const [signal, call] of given) source.on(signal, call);
  return {
    [Symbol.dispose]: () => {
      for (const [signal, call] of given) source.off(signal, call);
    },
  };
}

/** The last resort: ends this process at once, whatever it waits for. */
export function endNow(): void {
  process.kill(process.pid, 'SIGKILL');
}
