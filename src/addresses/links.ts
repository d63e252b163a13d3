/**
 * The machine's interfaces: the only file that runs `ip` (iproute2). An address lies on an interface of its own (macvlan) with a
 * hardware address of its own, the same on every node, and is given to the kernel with a life of seconds, so that it ends
 * by itself when nobody says again that it may stay.
 *
 * Every call is killed by `timeout` in time, also when the agent is stopped meanwhile: `limits.ts` counts on it.
 */
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { messageOf } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { cannotHold, commandFailed } from './errors.ts';
import { COMMAND_WITHIN_MS, KERNEL_LIFE_S, PROBE_MS, PROBE_POLL_MS } from './limits.ts';
import { cardOf, readLinks, type SeenLink, widest } from './seen-links.ts';
import {
  type AddressWish,
  familyOf,
  hardwareAddress,
  linkName,
  linkPrefix,
} from './virtual-address.ts';

/** An address and where it is on this machine. */
export interface PlacedAddress {
  readonly address: string;
  /** The network card. */
  readonly card: string;
  /** Its own interface on the card. */
  readonly name: string;
  readonly hardware: string;
}

/** What keeper and hold need of the machine. */
export interface Links {
  /** Throws `ADDRESSES_UNABLE`. */
  place(wish: AddressWish): Promise<PlacedAddress>;
  /** The hardware address of a machine that answers for it, this one excepted. */
  whoAnswers(placed: PlacedAddress): Promise<string | undefined>;
  /** All that takes time and changes nothing for others. */
  prepare(placed: PlacedAddress): Promise<void>;
  /** The kernel has them for `KERNEL_LIFE_S` from now. */
  tell(placed: readonly PlacedAddress[]): Promise<void>;
  /** Neighbours hear where it is. */
  announce(placed: PlacedAddress): Promise<void>;
  /** It is gone when this resolves. */
  drop(placed: Pick<PlacedAddress, 'name'>): Promise<void>;
  /** Removes the interfaces of this node, of an earlier life too, except those of these addresses. */
  sweep(keep: readonly string[]): Promise<void>;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SYSCTL = '/proc/sys/net';
const INTERFACES = '/sys/class/net';
/** What `timeout` says of a program that is not there. */
const NOT_FOUND = 127;
/** Nobody hears there (RFC 863). */
const DISCARD_PORT = 9;

export class KernelLinks implements Links {
  readonly #nodeId: string;
  readonly #clusterId: string;
  readonly #clock: Clock;

  constructor(options: {
    readonly nodeId: string;
    readonly clusterId: string;
    readonly clock: Clock;
  }) {
    this.#nodeId = options.nodeId;
    this.#clusterId = options.clusterId;
    this.#clock = options.clock;
  }

  async place(wish: AddressWish): Promise<PlacedAddress> {
    const { address } = wish;
    const card = cardOf(wish, await seenLinks());
    const hardware = hardwareAddress(this.#clusterId, address);
    return { address, card, name: linkName(this.#nodeId, address), hardware };
  }

  /** By the kernel's own question (ARP, or neighbour discovery), which a packet to the address makes it ask. */
  async whoAnswers({ address, card, name }: PlacedAddress): Promise<string | undefined> {
    const here = (await seenLinks()).find((link) => link.name === name);
    if (here?.addresses.some((one) => one.address === address) === true) return undefined;
    await ip('neigh', 'flush', 'to', address, 'dev', card);
    await knock(address);
    for (let waitedMs = 0; waitedMs < PROBE_MS; waitedMs += PROBE_POLL_MS) {
      const found = hardwareIn(await ip('-json', 'neigh', 'show', 'to', address, 'dev', card));
      if (found !== undefined) return found;
      await this.#clock.sleep(PROBE_POLL_MS);
    }
    return undefined;
  }

  async prepare({ address, card, name, hardware }: PlacedAddress): Promise<void> {
    const known = (await seenLinks()).find((link) => link.name === name);
    if (known !== undefined && known.card !== card) await ip('link', 'del', 'dev', name);
    if (known?.card !== card) {
      const words = ['address', hardware, 'type', 'macvlan', 'mode', 'bridge'];
      await ip('link', 'add', 'link', card, 'name', name, ...words);
      // The kernel must not give it addresses of its own choice.
      if (existsSync(`${SYSCTL}/ipv6`)) await ip('link', 'set', 'dev', name, 'addrgenmode', 'none');
    }
    if (familyOf(address) === 'ipv6') {
      await set(`ipv6/conf/${name}/accept_ra`, '0');
      await set(`ipv6/conf/${name}/ndisc_notify`, '1');
      return;
    }
    // Each interface answers for its own addresses only, and the card never speaks in the name of the virtual one.
    for (const each of [card, name]) {
      await set(`ipv4/conf/${each}/arp_ignore`, '1');
      await set(`ipv4/conf/${each}/arp_announce`, '2');
    }
    await set(`ipv4/conf/${name}/arp_notify`, '1');
    // The way back is by the card: the strict check of RFC 3704 would drop what comes in here.
    await set(`ipv4/conf/${name}/rp_filter`, '2');
  }

  async tell(all: readonly PlacedAddress[]): Promise<void> {
    const lines = all.flatMap(({ address, name }) => [
      // Not preferred: this machine's own connections go out from its own address (RFC 6724 §5).
      `address change ${address}/${widest(address)} dev ${name} valid_lft ${KERNEL_LIFE_S} preferred_lft 0${
        familyOf(address) === 'ipv6' ? ' nodad' : ''
      }`,
      `link set dev ${name} up`,
    ]);
    await run('ip', ['-force', '-batch', '-'], `${lines.join('\n')}\n`);
  }

  async announce({ name, hardware }: PlacedAddress): Promise<void> {
    // Setting the hardware address that it has makes the kernel tell the neighbours, as `arp_notify` and `ndisc_notify` say.
    await ip('link', 'set', 'dev', name, 'address', hardware);
  }

  async drop({ name }: Pick<PlacedAddress, 'name'>): Promise<void> {
    if (existsSync(`${INTERFACES}/${name}`)) await ip('link', 'del', 'dev', name);
  }

  async sweep(keep: readonly string[]): Promise<void> {
    const kept = new Set(keep.map((address) => linkName(this.#nodeId, address)));
    for (const name of await readdir(INTERFACES)) {
      if (name.startsWith(linkPrefix(this.#nodeId)) && !kept.has(name)) await this.drop({ name });
    }
  }
}

/** Throws `ADDRESSES_UNABLE` when there is no iproute2. */
export async function seenLinks(): Promise<readonly SeenLink[]> {
  return readLinks(await ip('-json', 'address', 'show'));
}

export function isWireless(card: string): boolean {
  return existsSync(`${INTERFACES}/${card}/wireless`);
}

function hardwareIn(json: string): string | undefined {
  const list = JSON.parse(json.trim() === '' ? '[]' : json) as readonly {
    readonly lladdr?: string;
    readonly state?: readonly string[];
  }[];
  return list.find(({ state = [] }) => !state.includes('FAILED'))?.lladdr;
}

/** An empty datagram. That nobody can be reached is an answer too: nobody has it. */
async function knock(address: string): Promise<void> {
  const socket = createSocket(familyOf(address) === 'ipv6' ? 'udp6' : 'udp4');
  await new Promise<void>((resolve) => {
    socket.once('error', () => resolve());
    socket.send('', DISCARD_PORT, address, () => resolve());
  });
  socket.close();
}

function ip(...words: readonly string[]): Promise<string> {
  return run('ip', words);
}

/** What it printed. Throws `ADDRESSES_COMMAND_FAILED`, or `ADDRESSES_UNABLE` when there is no such program. */
function run(program: string, words: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'timeout',
      ['-s', 'KILL', String(COMMAND_WITHIN_MS / 1000), program, ...words],
      { env: { PATH }, encoding: 'utf8', maxBuffer: 4 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        if (error.code === NOT_FOUND) {
          return reject(cannotHold(`it has no program "${program}"`, 'Install iproute2 there'));
        }
        const said = stderr.trim() === '' ? `exit code ${error.code ?? 'none'}` : stderr.trim();
        const command = input.trim() === '' ? [program, ...words].join(' ') : input.trim();
        reject(commandFailed(command, said));
      },
    );
    // It may have ended before it read all.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

async function set(path: string, value: string): Promise<void> {
  try {
    await writeFile(`${SYSCTL}/${path}`, value);
  } catch (error) {
    throw commandFailed(`echo ${value} > ${SYSCTL}/${path}`, messageOf(error));
  }
}
