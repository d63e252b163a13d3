/** So that a balancer of somebody else's, which speaks HAProxy's agent-check, sends as much as this machine can take. */
import { CpuMeter } from '../base/cpu-meter.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Peers } from '../cluster/cluster.ts';
import { AgentPort, type AgentState, type GatewaySupervisor } from '../gateway/gateway.ts';

/** A reading says how busy it was since the one before. */
const CPU_EVERY_MS = 2000;

/** Throws `GATEWAY_LISTEN_FAILED`. Ends with the stack. */
export async function answerAgentChecks(
  given: {
    readonly place: { readonly address: string; readonly port: number };
    readonly peers: Pick<Peers, 'all' | 'self'>;
    readonly supervisor: Pick<GatewaySupervisor, 'workers'>;
    readonly clock: Clock;
    readonly log: Logger;
  },
  stack: AsyncDisposableStack,
): Promise<void> {
  const { place, clock, log } = given;
  const cpu = new CpuMeter();
  // What was since the machine started says nothing about now.
  cpu.read();
  let busy = 0;
  stack.use(
    clock.every(CPU_EVERY_MS, () => {
      busy = cpu.read();
    }),
  );
  const state = (): AgentState => ({ state: stateOf(given), busy });
  await stack.use(new AgentPort({ ...place, state, log })).open();
}

function stateOf({
  peers,
  supervisor,
}: {
  readonly peers: Pick<Peers, 'all' | 'self'>;
  readonly supervisor: Pick<GatewaySupervisor, 'workers'>;
}): AgentState['state'] {
  const own = peers.all().find(({ id }) => id === peers.self);
  if (own?.state === 'draining') return 'leaving';
  return supervisor.workers().some(({ state }) => state === 'serving') ? 'ready' : 'down';
}
