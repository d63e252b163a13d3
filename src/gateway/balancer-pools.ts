/** The upstreams of one balancer, and which of them are meant for a name. A new config takes over who is known. */
import type { BalancerConfig, BalancerUpstreamConfig } from './balancer-config.ts';
import { BalancerChoice } from './balancer-choice.ts';
import { BalancerTarget } from './balancer-target.ts';

export type TargetChoice = BalancerChoice<BalancerTarget>;

export class BalancerPools {
  readonly targets: readonly BalancerTarget[];
  readonly #usual: TargetChoice | undefined;
  readonly #named = new Map<string, TargetChoice>();

  constructor(config: BalancerConfig, before?: BalancerPools) {
    const known = new Map(before?.targets.map((target) => [keyOf(target.config), target]));
    const used = new Map<string, BalancerTarget>();
    const take = (wanted: BalancerUpstreamConfig): BalancerTarget => {
      const key = keyOf(wanted);
      const target = used.get(key) ?? known.get(key) ?? new BalancerTarget(wanted);
      target.config = wanted;
      used.set(key, target);
      return target;
    };
    const choice = (list: readonly BalancerUpstreamConfig[]): TargetChoice =>
      new BalancerChoice(config.balance, list.map(take));
    this.#usual = config.upstreams.length === 0 ? undefined : choice(config.upstreams);
    for (const [name, list] of Object.entries(config.sni ?? {})) {
      this.#named.set(name, choice(list));
    }
    this.targets = [...used.values()];
  }

  /** By the exact name, else by the longest wildcard, else those for all; undefined when nobody is meant for it. */
  find(serverName: string): TargetChoice | undefined {
    const exact = this.#named.get(serverName);
    if (exact !== undefined) return exact;
    for (let dot = serverName.indexOf('.'); dot >= 0; dot = serverName.indexOf('.', dot + 1)) {
      const wildcard = this.#named.get(`*${serverName.slice(dot)}`);
      if (wildcard !== undefined) return wildcard;
    }
    return this.#usual;
  }
}

function keyOf({ id, address }: BalancerUpstreamConfig): string {
  return JSON.stringify([id, address]);
}
