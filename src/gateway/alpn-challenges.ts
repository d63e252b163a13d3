/**
 * Answers to certificate authorities that ask over TLS whether a host is ours (TLS-ALPN-01, RFC 8737): the handshake alone,
 * with a certificate that nobody else gets to see. While such a question is open, connections are looked at before TLS begins;
 * at all other times they are not.
 */
import type { Socket } from 'node:net';
import { createSecureContext, createServer, type SecureContext, type Server } from 'node:tls';
import { offeredProtocols } from '../net/net.ts';
import type { TlsChallenge } from './config.ts';
import type { Plane } from './plane.ts';

const PROTOCOL = 'acme-tls/1';
/** From the connection to the first message, and of the handshake. */
const PATIENCE_MS = 10_000;

export class AlpnChallenges {
  readonly #plane: Plane;
  #contexts: ReadonlyMap<string, SecureContext> = new Map();
  #server: Server | undefined;
  readonly #waiting = new Set<Socket>();

  constructor(plane: Plane) {
    this.#plane = plane;
  }

  /** Those that are open now. */
  set(challenges: readonly TlsChallenge[]): void {
    this.#contexts = new Map(
      challenges.map(({ host, cert, key }) => [host, createSecureContext({ cert, key })]),
    );
  }

  /** Takes a paused socket; `go` gets it, with nothing missing, unless an authority has asked. */
  admit(socket: Socket, go: (socket: Socket) => void): void {
    if (this.#contexts.size === 0) {
      go(socket);
      return;
    }
    const { clock, log } = this.#plane;
    this.#waiting.add(socket);
    const timer = clock.after(PATIENCE_MS, () => socket.destroy());
    const onError = (error: Error): void => log.debug('A connection failed', { error });
    const done = (): void => {
      timer[Symbol.dispose]();
      this.#waiting.delete(socket);
      socket.off('readable', onReadable).off('close', done).off('end', onEnd).off('error', onError);
    };
    const onEnd = (): void => void socket.destroy();
    let held: Buffer = Buffer.alloc(0);
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const protocols = offeredProtocols(held);
      if (protocols === undefined) return;
      done();
      socket.unshift(held);
      // RFC 8737 3: the authority offers this protocol and no other.
      if (protocols.length === 1 && protocols[0] === PROTOCOL) this.#answer(socket);
      else go(socket);
    };
    socket.on('readable', onReadable).on('end', onEnd).once('close', done).on('error', onError);
  }

  destroy(): void {
    for (const socket of this.#waiting) socket.destroy();
  }

  #answer(socket: Socket): void {
    this.#server ??= createServer(
      {
        handshakeTimeout: PATIENCE_MS,
        ALPNProtocols: [PROTOCOL],
        SNICallback: (name, done) => {
          const context = this.#contexts.get(name.toLowerCase());
          if (context === undefined) done(new Error(`No authority asks for "${name}"`));
          else done(null, context);
        },
      },
      (answered) => answered.end(),
    ).on('tlsClientError', (error: Error) => {
      this.#plane.log.debug('A question of a certificate authority failed', {
        error: error.message,
      });
    });
    this.#server.emit('connection', socket);
  }
}
