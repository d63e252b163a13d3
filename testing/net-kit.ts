/**
 * Machines of their own as far as the network goes: one network namespace a node, joined by a bridge that a test can cut a
 * machine off from. Only root can make them (iproute2).
 */
import { execFileSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { freeNet } from './test-cluster.ts';

export const canMakeNets: boolean = process.getuid?.() === 0;

export interface TestNet {
  /** Of the machine, counted from 1. */
  addressOf(number: number): string;
  /** The same in IPv6; all machines and the test have one from the first call on. */
  ipv6Of(number: number): string;
  /** What stands in front of a program that runs on the machine. */
  under(number: number): readonly string[];
  /** From now on nothing reaches the machine or leaves it, except within itself; the test itself is cut off as well. */
  cut(number: number): void;
  heal(number: number): void;
  /** Whether the machine has the address on one of its interfaces. */
  has(number: number, address: string): boolean;
  /** One more address of the machine that only it knows the way to. */
  addHidden(number: number, address: string): void;
}

/** `count` machines that reach each other and are reached by the test. Taken down after the test. */
export async function makeNet(t: TestContext, count: number): Promise<TestNet> {
  const id = (await freeNet(t)).split('.').at(-1) ?? '0';
  const bridge = `mtbr${id}`;
  const space = (number: number): string => `moln-test-${id}-${number}`;
  const port = (number: number): string => `mt${id}p${number}`;
  const ipv6Of = (number: number): string => `fd10:177:${id}::${number}`;
  let hasIpv6 = false;
  const addIpv6 = (): void => {
    if (hasIpv6) return;
    hasIpv6 = true;
    const words = (number: number, link: string): readonly string[] => [
      'addr',
      'add',
      `${ipv6Of(number)}/64`,
      'dev',
      link,
      'nodad',
    ];
    ip(...words(254, bridge));
    for (const number of numbers) ip('-n', space(number), ...words(number, 'eth0'));
  };
  const addressOf = (number: number): string => `10.177.${id}.${number}`;
  const numbers = Array.from({ length: count }, (_, at) => at + 1);

  t.after(() => {
    for (const number of numbers) {
      // At once: what goes with a namespace goes when the kernel finds the time.
      ip('link', 'del', port(number));
      ip('netns', 'del', space(number));
    }
    ip('link', 'del', bridge);
  });
  ip('link', 'add', bridge, 'type', 'bridge');
  ip('addr', 'add', `10.177.${id}.254/24`, 'dev', bridge);
  ip('link', 'set', bridge, 'up');
  for (const number of numbers) {
    const name = space(number);
    ip('netns', 'add', name);
    ip('link', 'add', port(number), 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    ip('link', 'set', port(number), 'master', bridge, 'up');
    ip('-n', name, 'addr', 'add', `${addressOf(number)}/24`, 'dev', 'eth0');
    ip('-n', name, 'link', 'set', 'lo', 'up');
    ip('-n', name, 'link', 'set', 'eth0', 'up');
  }
  return {
    addressOf,
    ipv6Of: (number) => {
      addIpv6();
      return ipv6Of(number);
    },
    under: (number) => ['ip', 'netns', 'exec', space(number)],
    cut: (number) => ip('link', 'set', port(number), 'down'),
    heal: (number) => ip('link', 'set', port(number), 'up'),
    has: (number, address) => {
      const words = ['-n', space(number), '-o', 'addr', 'show', 'to', address];
      return execFileSync('ip', words, { encoding: 'utf8' }).trim() !== '';
    },
    addHidden: (number, address) =>
      ip('-n', space(number), 'addr', 'add', `${address}/32`, 'dev', 'lo'),
  };
}

function ip(...words: readonly string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
}
