/**
 * When the first bytes to each client left a server, by the kernel's own clock: tcpdump hears the loopback while they go. A client that
 * reads a thousand connections measures itself more than the server.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** `1763802000.123456 IP 127.0.0.1.8080 > 127.0.0.1.40002: tcp 512`. */
const PACKET = /^(\d+\.\d+) IP \S+\.(\d+) > \S+\.(\d+): tcp (\d+)/;

export class FirstPackets {
  readonly #child: ChildProcess;
  #text = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('latin1').on('data', (text: string) => (this.#text += text));
  }

  /** Hears what leaves these ports from now on. Undefined where there is no tcpdump, or no right to use it. */
  static async listen(ports: readonly number[]): Promise<FirstPackets | undefined> {
    const filter = ports.map((port) => `src port ${port}`).join(' or ');
    const options = ['-i', 'lo', '-nn', '-tt', '-q', '-s', '96', '-B', '16384', '--immediate-mode'];
    const child = spawn('tcpdump', [...options, `tcp and (${filter})`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const heard = new FirstPackets(child);
    const isReady = await new Promise<boolean>((resolve) => {
      child.stderr?.on('data', (text: Buffer) => {
        if (text.includes('listening on')) resolve(true);
      });
      child.once('error', () => resolve(false));
      child.once('exit', () => resolve(false));
    });
    return isReady ? heard : undefined;
  }

  /** Stops, and answers the moment of each client's first bytes in milliseconds, ascending. */
  async times(): Promise<readonly number[]> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGINT');
    await ended;
    const first = new Map<string, number>();
    for (const line of this.#text.split('\n')) {
      const [, seconds, from, to, length] = PACKET.exec(line) ?? [];
      if (length === undefined || length === '0') continue;
      const client = `${from} ${to}`;
      if (!first.has(client)) first.set(client, Number(seconds) * 1000);
    }
    return [...first.values()].toSorted((a, b) => a - b);
  }
}
