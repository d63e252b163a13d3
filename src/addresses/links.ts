/**
 * The machine's interfaces: the only file that runs `ip`, `ss` and `arping` (iproute2, iputils). An address is given to the kernel
 * with a life of seconds, so that it ends by itself when nobody says again that it may stay.
 *
 * Every call is killed by `timeout` after a second, also when the agent is stopped meanwhile: `limits.ts` counts on it.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { messageOf } from '../base/errors.ts';
import { commandFailed } from './errors.ts';
import { IP_WITHIN_S, KERNEL_LIFE_S } from './limits.ts';
import { aliasOf, isOurs, placeOf, readLinks, type SeenLink, widest } from './seen-links.ts';
import { familyOf, hardwareAddress, interfaceOf, type VirtualAddress } from './virtual-address.ts';

/** An address and where it is on this machine. */
export interface PlacedAddress {
  readonly address: string;
  readonly mode: VirtualAddress['mode'];
  /** The network card. */
  readonly device: string;
  /** What has the address: of its own, or the card. */
  readonly name: string;
  readonly hardware: string;
}

/** What the keeper needs of the machine. */
export interface Links {
  /** Throws `ADDRESSES_UNABLE`. */
  place(address: VirtualAddress): Promise<PlacedAddress>;
  /** All that takes time and changes nothing for others. */
  prepare(placed: PlacedAddress): Promise<void>;
  /** The kernel has them for `KERNEL_LIFE_S` from now. */
  tell(placed: readonly PlacedAddress[]): Promise<void>;
  /** Neighbours hear where it is. */
  announce(placed: PlacedAddress): Promise<void>;
  /** It is gone when this resolves. */
  drop(placed: PlacedAddress): Promise<void>;
  /** Removes interfaces that this node made, now or in an earlier life, except these. */
  sweep(keep: ReadonlySet<string>): Promise<void>;
}

export interface KernelLinksOptions {
  readonly nodeId: string;
  readonly clusterId: string;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const IPV4 = '/proc/sys/net/ipv4/conf';
const IPV6 = '/proc/sys/net/ipv6/conf';

export class KernelLinks implements Links {
  readonly #options: KernelLinksOptions;

  constructor(options: KernelLinksOptions) {
    this.#options = options;
  }

  seen(): Promise<readonly SeenLink[]> {
    return seenLinks();
  }

  async place(wanted: VirtualAddress): Promise<PlacedAddress> {
    const { address, mode } = wanted;
    const { device } = placeOf(wanted, await seenLinks());
    const name = mode === 'plain' ? device : interfaceOf(wanted);
    const hardware = hardwareAddress(this.#options.clusterId, address);
    return { address, mode, device, name, hardware };
  }

  async prepare({ address, mode, device, name, hardware }: PlacedAddress): Promise<void> {
    if (mode === 'plain') {
      await set(`${IPV6}/${device}/ndisc_notify`, '1');
      return;
    }
    const alias = aliasOf(this.#options.nodeId);
    const known = (await seenLinks()).find((link) => link.name === name);
    if (known !== undefined && known.alias !== alias) {
      throw commandFailed(`ip link add ${name}`, 'another node on this machine has it');
    }
    if (known === undefined) {
      const words = ['address', hardware, 'type', 'macvlan', 'mode', 'bridge'];
      await ip('link', 'add', 'link', device, 'name', name, ...words);
      await ip('link', 'set', 'dev', name, 'alias', alias);
      // The kernel must not give it addresses of its own choice.
      await ip('link', 'set', 'dev', name, 'addrgenmode', 'none');
    }
    if (familyOf(address) === 'ipv6') {
      await set(`${IPV6}/${name}/accept_ra`, '0');
      await set(`${IPV6}/${name}/autoconf`, '0');
      await set(`${IPV6}/${name}/ndisc_notify`, '1');
      return;
    }
    // Each interface answers for its own addresses only, and the card never speaks in the name of the virtual one.
    await set(`${IPV4}/${device}/arp_ignore`, '1');
    await set(`${IPV4}/${device}/arp_announce`, '2');
    await set(`${IPV4}/${name}/arp_ignore`, '1');
    await set(`${IPV4}/${name}/arp_announce`, '2');
    await set(`${IPV4}/${name}/arp_notify`, '1');
    // The way back is by the card: the strict check of RFC 3704 would drop what comes in here.
    await set(`${IPV4}/${name}/rp_filter`, '2');
  }

  async tell(all: readonly PlacedAddress[]): Promise<void> {
    if (all.length === 0) return;
    const lines = all.flatMap(({ address, mode, name }) => [
      // Not preferred: this machine's own connections go out from its own address (RFC 6724 §5).
      `address change ${withWidth(address)} dev ${name} valid_lft ${KERNEL_LIFE_S} preferred_lft 0${
        familyOf(address) === 'ipv6' ? ' nodad' : ''
      }`,
      ...(mode === 'macvlan' ? [`link set dev ${name} up`] : []),
    ]);
    await run('ip', ['-force', '-batch', '-'], `${lines.join('\n')}\n`);
  }

  async announce({ address, mode, device, name, hardware }: PlacedAddress): Promise<void> {
    // Setting the hardware address that it has makes the kernel tell the neighbours, as `arp_notify` and `ndisc_notify` say.
    if (mode === 'macvlan') await ip('link', 'set', 'dev', name, 'address', hardware);
    // Of IPv6 on a card the kernel tells when the address is added.
    else if (familyOf(address) === 'ipv4') {
      await run('arping', ['-q', '-U', '-c', '1', '-I', device, address]);
    }
  }

  async drop({ address, mode, name }: PlacedAddress): Promise<void> {
    const link = (await seenLinks()).find((one) => one.name === name);
    if (link === undefined) return;
    if (mode === 'macvlan') {
      if (link.alias === aliasOf(this.#options.nodeId)) await ip('link', 'del', 'dev', name);
    } else if (link.addresses.some((one) => one.address === address)) {
      await ip('address', 'del', withWidth(address), 'dev', name);
    }
  }

  async sweep(keep: ReadonlySet<string>): Promise<void> {
    const alias = aliasOf(this.#options.nodeId);
    for (const link of await seenLinks()) {
      if (!isOurs(link) || link.alias !== alias || keep.has(link.name)) continue;
      await ip('link', 'del', 'dev', link.name);
    }
  }
}

/** Whether connections to the address are open in which something may be under way. */
export async function hasConnections(address: string): Promise<boolean> {
  const states = ['established', 'syn-recv', 'fin-wait-1', 'close-wait', 'last-ack', 'closing'];
  const words = states.flatMap((state) => ['state', state]);
  const text = await run('ss', ['-Htn', ...words, 'src', address, 'and', 'not', 'dst', address]);
  return text.trim() !== '';
}

/** Whether the program is there. */
export async function hasProgram(name: string): Promise<boolean> {
  return await run(name, ['-V']).then(
    () => true,
    () => false,
  );
}

export async function seenLinks(): Promise<readonly SeenLink[]> {
  return readLinks(await run('ip', ['-json', 'address', 'show']));
}

function withWidth(address: string): string {
  return `${address}/${widest(address)}`;
}

function ip(...words: readonly string[]): Promise<string> {
  return run('ip', words);
}

/** What it printed. Throws `ADDRESSES_COMMAND_FAILED`. */
function run(program: string, words: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'timeout',
      ['-s', 'KILL', String(IP_WITHIN_S), program, ...words],
      { env: { PATH }, encoding: 'utf8', maxBuffer: 4 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const said = stderr.trim() === '' ? `exit code ${error.code ?? 'none'}` : stderr.trim();
        reject(commandFailed(input.trim() === '' ? [program, ...words].join(' ') : input.trim(), said));
      },
    );
    // It may have ended before it read all.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

async function set(path: string, value: string): Promise<void> {
  try {
    await writeFile(path, value);
  } catch (error) {
    throw commandFailed(`echo ${value} > ${path}`, messageOf(error));
  }
}
