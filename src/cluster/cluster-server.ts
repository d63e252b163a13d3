/**
 * The two doors of a node on its control port. `moln-rpc/1`: other nodes, by certificate, checked against the members and
 * the deny-list at each connection; a node that is forgotten is cut off at once. `moln-join`: joiners, by invite.
 */
import type { TLSSocket } from 'node:tls';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { array, object, type Schema, string } from '../base/schema.ts';
import type { Clock } from '../base/time.ts';
import {
  type RpcContext,
  type RpcMethod,
  RpcServer,
  type RpcStreamMethod,
  type TlsDoor,
} from '../net/net.ts';
import { type Admission, memberCertificateOf, namesOf } from './admission.ts';
import type { Identity } from './identity.ts';
import { nodeForgotten, nodeUnknown, notManager, requestInvalid } from './join-errors.ts';
import { type HelloAnswer, JOIN_PROTOCOL, RPC_PROTOCOL, spiffeOf } from './join-wire.ts';
import { JOIN_DOOR_LIMITS, SIGNING_REQUEST_LENGTH_MAX } from './limits.ts';
import type { Member, Members } from './members.ts';
import { spokenBy } from './versions.ts';

export interface ClusterServerOptions {
  readonly identity: Identity;
  readonly members: Members;
  /** Absent: nobody can join here. */
  readonly admission?: Admission;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  /** Of other parts; their names start with the part's: `apps.release`. */
  readonly methods?: Readonly<Record<string, RpcMethod<Member>>>;
  readonly streams?: Readonly<Record<string, RpcStreamMethod<Member>>>;
}

/** A port that can have doors, such as `FirstByteListener`. */
export interface Doors {
  setDoor(door: TlsDoor): void;
}

const SERVER_NAMES_MAX = 100;
const RETRY_MS = 1_000;
const pem: Schema<string> = string({ lengthMax: SIGNING_REQUEST_LENGTH_MAX });
const renewSchema = object({ request: pem });
const certifySchema = object({
  request: pem,
  names: array(string({ lengthMax: 253 }), { itemsMax: SERVER_NAMES_MAX }),
});

export class ClusterServer implements AsyncDisposable {
  readonly #options: ClusterServerOptions;
  readonly #nodes: RpcServer<Member>;
  readonly #joiners: RpcServer<undefined> | undefined;
  readonly #stop = new AbortController();
  /** With which certificate each peer with an open connection came in. */
  readonly #certificates = new WeakMap<Member, string>();
  #watching: Promise<void> | undefined;
  #renewals: Disposable | undefined;

  constructor(options: ClusterServerOptions) {
    this.#options = options;
    const { clock, log, admission, streams } = options;
    this.#nodes = new RpcServer({
      clock,
      log,
      admit: (socket) => this.#admit(socket),
      methods: { ...options.methods, ...this.#methods() },
      ...(streams === undefined ? {} : { streams }),
    });
    if (admission === undefined) return;
    this.#joiners = new RpcServer<undefined>({
      clock,
      log,
      admit: () => Promise.resolve(undefined),
      methods: admission.methods,
      limits: JOIN_DOOR_LIMITS,
    });
  }

  /** Opens the doors and keeps their certificates new. */
  start(doors: Doors): void {
    const { identity } = this.#options;
    this.#openDoors(doors);
    this.#renewals = identity.onRenewed(() => {
      this.#openDoors(doors);
      this.#retireUntrusted();
    });
    this.#watching = this.#cutForgotten();
  }

  /** Nodes with an open connection to this one. */
  peers(): readonly Member[] {
    return this.#nodes.peers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('stopped'));
    this.#renewals?.[Symbol.dispose]();
    await this.#nodes[Symbol.asyncDispose]();
    await this.#joiners?.[Symbol.asyncDispose]();
    await this.#watching;
  }

  #openDoors(doors: Doors): void {
    const { authorities, chainPem, certificate } = this.#options.identity;
    // The authority goes along, for a joiner that has nothing but its hash.
    const credentials = { key: certificate.keyPem, cert: chainPem };
    doors.setDoor({
      protocol: RPC_PROTOCOL,
      credentials,
      // Who was forgotten while its authority was replaced is to be told so, and not just cut: see `#admit`.
      clientAuthority: authorities.knownPem,
      onConnection: (socket) => this.#nodes.accept(socket),
    });
    const joiners = this.#joiners;
    if (joiners === undefined) return;
    doors.setDoor({
      protocol: JOIN_PROTOCOL,
      credentials,
      onConnection: (socket) => joiners.accept(socket),
    });
  }

  /** TLS has checked the chain; the name in it says which node, the registry whether it may. */
  async #admit(socket: TLSSocket): Promise<Member> {
    const certificate = socket.getPeerX509Certificate();
    const peer = spiffeOf(certificate?.subjectAltName);
    const { identity, members } = this.#options;
    if (certificate === undefined || peer?.clusterId !== identity.cluster.id) throw nodeUnknown();
    if (identity.authorities.issuerOf(certificate.toString()) === undefined) throw nodeForgotten();
    const member = { ...(await members.check(peer.nodeId)) };
    this.#certificates.set(member, certificate.toString());
    return member;
  }

  /** Those who came in under an authority that has been dropped since: they come again with what they have now. */
  #retireUntrusted(): void {
    const { authorities } = this.#options.identity;
    this.#nodes.retire((member) => {
      const certificate = this.#certificates.get(member);
      return certificate !== undefined && authorities.issuerOf(certificate) === undefined;
    });
  }

  async #cutForgotten(): Promise<void> {
    const { members, clock, log } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        for await (const revoked of members.watchRevoked(signal)) {
          this.#nodes.drop(({ id }) => revoked.has(id), nodeForgotten());
        }
      } catch (error) {
        if (signal.aborted) return;
        log.warn('Cannot watch the deny-list and will retry', { reason: messageOf(error) });
        await clock.sleep(RETRY_MS, signal).catch(() => {});
      }
    }
  }

  #methods(): Readonly<Record<string, RpcMethod<Member>>> {
    return {
      hello: () => Promise.resolve(this.#hello()),
      'cluster.renew': (params, call) => this.#renew(params, call),
      'cluster.certify': (params, call) => this.#certify(params, call),
      'cluster.authority': (_params, call) => this.#authority(call),
    };
  }

  #hello(): HelloAnswer {
    const { identity, clock, version } = this.#options;
    const { node, isManager } = identity;
    return { ...node, ...spokenBy(version), isManager, now: clock.now() };
  }

  /** A new certificate over the connection of the old one, for the node that asks and no other. */
  async #renew(params: unknown, { peer }: RpcContext<Member>): Promise<unknown> {
    const { identity, members, log } = this.#options;
    const { request } = renewSchema.decode(params, '');
    const member = await members.check(peer.id);
    const { name, addresses } = member;
    const clusterId = identity.cluster.id;
    const certificate = await identity.signRequest(request, {
      commonName: name,
      names: namesOf({ clusterId, nodeId: peer.id, name, addresses }),
      asClient: true,
    });
    await members.setCertificate(peer.id, memberCertificateOf(certificate));
    log.info('Node certificate renewed', { audit: true, id: peer.id, name });
    return { certificate };
  }

  /** For names of apps and the asker's own, at its addresses: never for the name of another node. */
  async #certify(params: unknown, { peer }: RpcContext<Member>): Promise<unknown> {
    const { identity, members } = this.#options;
    const { request, names } = certifySchema.decode(params, '');
    const { addresses } = await members.check(peer.id);
    const others = (await members.list()).filter(({ id }) => id !== peer.id);
    const taken = new Set(others.flatMap((node) => [node.name, ...node.addresses]));
    const [commonName] = names;
    const isBad = (name: string): boolean => taken.has(name);
    if (commonName === undefined || names.some(isBad)) throw requestInvalid();
    const own = namesOf({ clusterId: '', nodeId: '', name: commonName, addresses });
    const certificate = await identity.signRequest(request, {
      commonName,
      names: { dnsNames: names, addresses: own.addresses, uris: [] },
      asClient: false,
    });
    return { certificate };
  }

  /** For a node that has been made a manager in the registry. */
  async #authority({ peer }: RpcContext<Member>): Promise<unknown> {
    const member = await this.#options.members.check(peer.id);
    if (!member.roles.includes('manager')) throw notManager(member.name);
    return { authorityKey: this.#options.identity.authorityKeyPem };
  }
}
