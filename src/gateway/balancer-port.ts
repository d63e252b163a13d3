/** What the two kinds of balancers have in common for those who look after them. */
import { messageOf, MolnError, systemCode } from '../base/errors.ts';
import type { BalancerConfig, BalancerTotals } from './balancer-config.ts';
import type { BalancerTarget } from './balancer-target.ts';
import { GATEWAY_LISTEN_FAILED, GATEWAY_PORT_TAKEN } from './errors.ts';

export interface BalancerPort {
  readonly config: BalancerConfig;
  /** The port it got; differs from the configured one when that is 0. */
  readonly port: number;
  readonly meter: BalancerMeter;
  readonly targets: readonly BalancerTarget[];
  /** Stopped, and nothing is under way any more. */
  readonly isDone: boolean;
  /** Throws GATEWAY_PORT_TAKEN or GATEWAY_LISTEN_FAILED. */
  open(): Promise<void>;
  /** What needs no new port; connections stay. */
  update(config: BalancerConfig): void;
  /** Takes nothing new; what is under way goes on. */
  stop(): void;
  sweep(horizonMs: number): void;
  /** Breaks what is left. */
  destroy(): void;
}

/** What one balancer has done since it was opened. */
export class BalancerMeter implements BalancerTotals {
  connections = 0;
  accepted = 0;
  failed = 0;
  bytesIn = 0;
  bytesOut = 0;

  totals(): BalancerTotals {
    const { connections, accepted, failed, bytesIn, bytesOut } = this;
    return { connections, accepted, failed, bytesIn, bytesOut };
  }
}

export function portError(config: BalancerConfig, error: unknown): MolnError {
  const where = `${config.protocol} port ${config.port} of ${config.address}`;
  if (systemCode(error) === 'EADDRINUSE') {
    return new MolnError(GATEWAY_PORT_TAKEN, `Cannot listen on ${where}: it is taken`, {
      hint: 'Stop the program that has it, or choose another port',
      cause: error,
    });
  }
  return new MolnError(
    GATEWAY_LISTEN_FAILED,
    `Cannot listen on ${where}: ${systemCode(error) ?? messageOf(error)}`,
    {
      hint: 'Choose an address of this machine, and a port above 1023 unless you are root',
      cause: error,
    },
  );
}
