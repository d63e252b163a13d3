/**
 * The listening sockets of one process, and how they change hands. What the kernel has accepted waits in the listening socket, and is reset
 * when the last process that has it closes it. So a process that leaves does not close its sockets: its successor takes them over
 * (`handle-passing.ts`), accepts from them, and only then the leaving one lets go. No connection is in between.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerOpts, type Socket } from 'node:net';
import { once } from 'node:events';
import type { Clock } from '../base/time.ts';
import { HandleChannel, type ListeningHandle } from './handle-passing.ts';

/** For each question to the one that leaves. */
const ANSWER_WITHIN_MS = 5000;
/** Between two processes under one supervisor; more is a mistake somewhere. */
const HANDLES_MAX = 4096;

export interface ListenPlace {
  readonly address: string;
  /** 0: any; such a socket is never handed over. */
  readonly port: number;
  readonly backlog?: number;
}

interface Owned {
  readonly server: Server;
  /** Further sockets of the same place, of processes that left. */
  readonly spares: Server[];
}

/** The same text at both ends. */
function nameOf({ address, port }: ListenPlace): string {
  return `tcp ${address} ${port}`;
}

export class ListeningSockets {
  readonly #reusePort: boolean;
  readonly #owned = new Map<string, Owned[]>();
  readonly #taken = new Map<string, ListeningHandle[]>();
  #channels: HandleChannel[] = [];
  #giver: Server | undefined;

  constructor(reusePort: boolean) {
    this.#reusePort = reusePort;
  }

  /** Listens on a socket that was taken over, else on a new one. Rejects with what the kernel says. */
  async listen(server: Server, place: ListenPlace): Promise<void> {
    const name = nameOf(place);
    const handle = place.port === 0 ? undefined : this.#taken.get(name)?.shift();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const done = (): void => {
        server.off('error', reject);
        resolve();
      };
      if (handle !== undefined) server.listen({ _handle: handle }, place.backlog, done);
      else {
        const { address: host, port, backlog } = place;
        // Several gateway processes share the port; the kernel spreads connections over them.
        const options = { host, port, backlog, reusePort: this.#reusePort, exclusive: true };
        server.listen(options, done);
      }
    });
    if (place.port === 0) return;
    this.#owned.set(name, [...(this.#owned.get(name) ?? []), { server, spares: [] }]);
  }

  /** Accepts no more, whatever it listens on. */
  close(server: Server | undefined): void {
    server?.close();
    for (const [name, all] of this.#owned) {
      for (const owned of all) {
        if (owned.server !== server) continue;
        for (const spare of owned.spares) spare.close();
        const rest = all.filter((one) => one !== owned);
        if (rest.length === 0) this.#owned.delete(name);
        else this.#owned.set(name, rest);
      }
    }
  }

  // Taking over ---------------------------------------------------------------------------------------------

  /** Asks processes that are to leave for their sockets; who has none, or does not answer, is passed over. */
  async take(paths: readonly string[], clock: Clock): Promise<void> {
    for (const path of paths) {
      const channel = await HandleChannel.connect(path);
      if (channel !== undefined && (await this.#takeAll(channel, clock))) {
        this.#channels.push(channel);
      }
    }
  }

  /** `isUsed`: from now on this process accepts from all that it took, and those who gave do not. Else everything is as before. */
  async settle(isUsed: boolean, clock: Clock): Promise<void> {
    for (const [name, handles] of this.#taken) {
      const owned = this.#owned.get(name)?.[0];
      for (const handle of handles) {
        if (isUsed && owned !== undefined) await this.#attach(owned, handle);
        else handle.close();
      }
    }
    this.#taken.clear();
    const channels = this.#channels;
    this.#channels = [];
    for (const channel of channels) {
      if (isUsed) await letGo(channel, clock);
      channel.close();
    }
  }

  #takeAll(channel: HandleChannel, clock: Clock): Promise<boolean> {
    return within(clock, channel, (finish) => {
      let count = 0;
      channel.start({
        onLine: (line, handle) => {
          if (handle === undefined) finish(line === 'end');
          else if (++count > HANDLES_MAX) handle.close();
          else {
            this.#taken.set(line, [...(this.#taken.get(line) ?? []), handle]);
            channel.send('got');
          }
        },
        onEnd: () => finish(false),
      });
      channel.send('take');
    });
  }

  async #attach({ server, spares }: Owned, handle: ListeningHandle): Promise<void> {
    const options: ServerOpts = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };
    const spare = createServer(options, (socket) => server.emit('connection', socket));
    const listening = once(spare, 'listening');
    spare.listen({ _handle: handle });
    await listening;
    spare.on('error', (error) => server.emit('error', error));
    spares.push(spare);
  }

  // Giving --------------------------------------------------------------------------------------------------

  /** Whoever may connect there may have the sockets: its folder lets the owner in alone. */
  async serve(path: string): Promise<void> {
    rmSync(path, { force: true });
    const giver = createServer({ pauseOnConnect: true }, (socket) => this.#give(socket));
    giver.listen(path);
    await once(giver, 'listening');
    chmodSync(path, 0o600);
    this.#giver = giver;
  }

  stopServing(): void {
    this.#giver?.close();
    this.#giver = undefined;
  }

  #give(socket: Socket): void {
    const channel = HandleChannel.over(socket);
    if (channel === undefined) {
      socket.destroy();
      return;
    }
    const all = [...this.#owned].flatMap(([name, owned]) =>
      owned.flatMap((one) => [one.server, ...one.spares].map((server) => ({ name, server }))),
    );
    const left = all.filter(({ server }) => server.listening);
    const given: Server[] = [];
    channel.start({
      onLine: (line) => {
        if (line === 'use') {
          for (const server of given) server.close();
          channel.send('done');
          return;
        }
        const next = left.shift();
        if (next === undefined) channel.send('end');
        else {
          given.push(next.server);
          channel.send(next.name, next.server);
        }
      },
      onEnd: () => undefined,
    });
  }
}

/** It has stopped accepting, or is gone. */
function letGo(channel: HandleChannel, clock: Clock): Promise<boolean> {
  return within(clock, channel, (finish) => {
    channel.start({ onLine: (line) => finish(line === 'done'), onEnd: () => finish(false) });
    channel.send('use');
  });
}

/** False after too long; the channel is then closed. */
async function within(
  clock: Clock,
  channel: HandleChannel,
  begin: (finish: (isGood: boolean) => void) => void,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  using _timeout = clock.after(ANSWER_WITHIN_MS, () => {
    resolve(false);
    channel.close();
  });
  begin(resolve);
  return await promise;
}
