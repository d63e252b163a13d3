/** Reads what agents of upstreams say (HAProxy's agent-check): connect, read a line, be done. */
import { connect } from 'node:net';
import type { Clock } from '../../base/time.ts';
import { afterAgentLine } from './agent-line.ts';
import type { AgentConfig } from './balance-config.ts';
import type { Member } from './member.ts';

const LINE_BYTES_MAX = 1024;
const TIMEOUT_MS_MAX = 5000;

export class AgentChecks {
  readonly #config: AgentConfig;
  readonly #dueMs = new WeakMap<Member, number>();
  readonly #running = new Set<Member>();

  constructor(config: AgentConfig) {
    this.#config = config;
  }

  /** Begins what is due. */
  sweep(members: readonly Member[], clock: Clock): void {
    const nowMs = clock.monotonicMs();
    for (const member of members) {
      if (this.#running.has(member) || (this.#dueMs.get(member) ?? 0) > nowMs) continue;
      this.#dueMs.set(member, nowMs + this.#config.intervalMs);
      this.#ask(member, clock);
    }
  }

  #ask(member: Member, clock: Clock): void {
    const { address } = member.upstream.config;
    if (address.kind !== 'tcp') return;
    this.#running.add(member);
    const socket = connect({ host: address.host, port: this.#config.port });
    socket.unref();
    const timer = clock.after(TIMEOUT_MS_MAX, () => socket.destroy());
    let text = '';
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (text.includes('\n') || text.length > LINE_BYTES_MAX) socket.destroy();
    });
    // An agent that cannot be reached says nothing, and nothing changes: the upstream itself may be well.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      timer[Symbol.dispose]();
      this.#running.delete(member);
      if (text !== '') member.told(afterAgentLine(member.agent, text), clock.monotonicMs());
    });
  }
}
