/** The port for agent-checks of a gateway that runs by itself: opened, moved and closed as the file says. */
import { CpuMeter } from '../base/cpu-meter.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { AgentPort, type AgentState } from '../gateway/gateway.ts';
import type { GatewayFile } from './gateway-file.ts';

/** A reading says how busy it was since the one before. */
const CPU_EVERY_MS = 2000;

export class AgentOfFile implements AsyncDisposable {
  readonly #state: () => AgentState['state'];
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #cpu = new CpuMeter();
  #busy = 0;
  #timer: Disposable | undefined;
  #wanted: GatewayFile['agent'];
  #port: AgentPort | undefined;

  constructor(
    state: () => AgentState['state'],
    { clock, log }: { readonly clock: Clock; readonly log: Logger },
  ) {
    this.#state = state;
    this.#clock = clock;
    this.#log = log;
  }

  /** Throws `GATEWAY_LISTEN_FAILED`; then none is open. */
  async use(agent: GatewayFile['agent']): Promise<void> {
    const before = this.#wanted;
    this.#wanted = agent;
    if (before?.address === agent?.address && before?.port === agent?.port) return;
    await this[Symbol.asyncDispose]();
    this.#wanted = agent;
    if (agent === undefined) return;
    // What was since the machine started says nothing about now.
    this.#cpu.read();
    this.#timer = this.#clock.every(CPU_EVERY_MS, () => {
      this.#busy = this.#cpu.read();
    });
    const { address, port } = agent;
    const opened = new AgentPort({ address, port, state: () => this.#said(), log: this.#log });
    try {
      await opened.open();
    } catch (error) {
      this.#wanted = undefined;
      throw error;
    }
    this.#port = opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wanted = undefined;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    await this.#port?.[Symbol.asyncDispose]();
    this.#port = undefined;
  }

  #said(): AgentState {
    const connectionsMax = this.#wanted?.connections;
    return { state: this.#state(), busy: this.#busy, connectionsMax };
  }
}
