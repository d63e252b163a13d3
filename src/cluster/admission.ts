/**
 * The cluster's side of a join. Everything that can refuse is asked before anything is written, and what is written, the
 * use of the invite, the node and its name, is one commit: a join that is refused leaves nothing behind.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { hostAndPort, type RpcMethod } from '../net/net.ts';
import { keyFingerprintOf } from './certificate.ts';
import { checkName, type Identity } from './identity.ts';
import type { InviteDetail, Invites } from './invites.ts';
import { clockOff, joinerTooNew, joinerTooOld, joinerUnreachable } from './join-errors.ts';
import {
  CLUSTER_PROTOCOL,
  CLUSTER_PROTOCOL_MIN,
  type JoinAnswer,
  type JoinRequest,
  joinRequestSchema,
  joinVersionSchema,
  type RegistryPlace,
} from './join-wire.ts';
import { CLOCK_SKEW_MS } from './limits.ts';
import type { Member, MemberCertificate, Members } from './members.ts';
import type { RotationRecords } from './rotation-records.ts';
import { reach } from './reach.ts';

export interface AdmissionOptions {
  readonly identity: Identity;
  readonly invites: Invites;
  readonly members: Members;
  readonly rotations: RotationRecords;
  readonly clock: Clock;
  readonly log: Logger;
  /** Moln's. */
  readonly version: string;
  /** Where nodes are that say nothing else. */
  readonly region: string;
  /**
   * Called when a joiner may come in, before anything is written: makes the registry one that other machines reach, and
   * says where it is. Its refusal refuses the join.
   */
  readonly openRegistry: () => Promise<RegistryPlace>;
}

/** Answers `join` on the join door, whose callers have no certificate: the invite's secret is what lets them in. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get methods(): Readonly<Record<string, RpcMethod<undefined>>> {
    return { join: (params) => this.join(params) };
  }

  async join(params: unknown): Promise<JoinAnswer> {
    const { identity, invites, members, rotations, clock, log, openRegistry } = this.#options;
    this.#checkVersion(params);
    const request = joinRequestSchema.decode(params, '');
    checkName(request.name);
    const offMs = request.now - clock.now();
    if (Math.abs(offMs) > CLOCK_SKEW_MS) throw clockOff(offMs, CLOCK_SKEW_MS);
    const { inviteId, secret, nodeId, name } = request;
    let reachable: readonly string[] | undefined;
    let member: Member | undefined;
    let certificate = '';
    let registry: RegistryPlace | undefined;
    const used = await invites.redeem({ id: inviteId, secret, nodeId }, async (invite) => {
      // Not before the secret was found good: a stranger makes this node sign nothing and connect nowhere.
      await members.checkFree({ id: nodeId, name });
      const joining = await rotations.joining(nodeId);
      const addresses = (reachable ??= await this.#reachable(request));
      certificate = await identity.signRequest(request.request, {
        commonName: name,
        names: namesOf({ clusterId: identity.cluster.id, nodeId, name, addresses }),
        asClient: true,
      });
      member = this.#memberOf(request, { invite, certificate, addresses });
      registry = await openRegistry();
      const { conditions, operations } = await members.admission(member);
      return {
        conditions: [...conditions, ...joining.conditions],
        operations: [...operations, ...joining.operations],
      };
    });
    log.info('Node joined', { audit: true, id: nodeId, name: request.name });
    return this.#answer(request, used, {
      certificate,
      member,
      registry: registry ?? (await openRegistry()),
    });
  }

  /** Looked at before the rest, which another version may have in another shape. */
  #checkVersion(params: unknown): void {
    const { protocol, version } = joinVersionSchema.decode(versionPart(params), '');
    const own = this.#options.version;
    if (protocol < CLUSTER_PROTOCOL_MIN) throw joinerTooOld(version, own);
    if (protocol > CLUSTER_PROTOCOL) throw joinerTooNew(version, own);
  }

  #memberOf(
    request: JoinRequest,
    given: {
      readonly invite: InviteDetail;
      readonly certificate: string;
      readonly addresses: readonly string[];
    },
  ): Member {
    const { invite, certificate, addresses } = given;
    return {
      id: request.nodeId,
      name: request.name,
      region: request.region ?? invite.region ?? this.#options.region,
      labels: request.labels,
      address: addresses[0] ?? '',
      addresses,
      port: request.port,
      gatewayPort: request.gatewayPort,
      memoryMiB: request.memoryMiB,
      isDraining: false,
      roles: invite.role === 'manager' ? ['manager'] : [],
      joinedAt: this.#options.clock.now(),
      certificate: memberCertificateOf(certificate),
    };
  }

  /**
   * The addresses that lead from here to the joiner; only they come into its certificate, so that no node gets one for
   * somebody else's. Throws `CLUSTER_JOINER_UNREACHABLE` when there is none.
   */
  async #reachable({ addresses, port, nonce }: JoinRequest): Promise<readonly string[]> {
    const failures = await Promise.all(addresses.map((address) => reach({ address, port }, nonce)));
    const good = addresses.filter((_address, index) => failures[index] === undefined);
    if (good.length > 0) return good;
    const tried = addresses.map((address) => hostAndPort({ address, port }));
    const why = failures.find((failure) => failure !== undefined) ?? 'it named no address';
    throw joinerUnreachable(this.#options.identity.node.name, tried, why);
  }

  async #answer(
    request: JoinRequest,
    invite: InviteDetail,
    made: {
      readonly certificate: string;
      readonly member: Member | undefined;
      readonly registry: RegistryPlace;
    },
  ): Promise<JoinAnswer> {
    const { identity, members, region } = this.#options;
    const { certificate, member, registry } = made;
    const managers = (await members.list())
      .filter(({ roles, id }) => roles.includes('manager') && id !== request.nodeId)
      .map(({ id, address, port }) => ({ id, address, port }));
    return {
      cluster: identity.cluster,
      node: { id: request.nodeId, name: request.name, region: member?.region ?? region },
      certificate,
      authority: identity.trustedPem,
      ...(invite.role === 'manager' ? { authorityKey: identity.authorityKeyPem } : {}),
      sealKey: identity.sealer.exportKey(),
      managers,
      registry,
    };
  }
}

/** The names in a node's certificate. */
export function namesOf(node: {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly name: string;
  readonly addresses: readonly string[];
}): {
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  readonly uris: readonly string[];
} {
  const plain = node.addresses.filter((address) => isIP(address) !== 0);
  const hosts = node.addresses.filter((address) => isIP(address) === 0);
  return {
    dnsNames: [...new Set([node.name, 'localhost', ...hosts])],
    addresses: [...new Set(['127.0.0.1', '::1', ...plain])],
    uris: [`spiffe://${node.clusterId}/node/${node.nodeId}`],
  };
}

export function memberCertificateOf(certificatePem: string): MemberCertificate {
  const parsed = new X509Certificate(certificatePem);
  return {
    serial: parsed.serialNumber.toLowerCase(),
    sha256: parsed.fingerprint256.replaceAll(':', '').toLowerCase(),
    keySha256: keyFingerprintOf(certificatePem),
    notAfter: parsed.validToDate.getTime(),
  };
}

function versionPart(params: unknown): unknown {
  if (typeof params !== 'object' || params === null) return params;
  const { protocol, version } = params as Readonly<Record<string, unknown>>;
  return { protocol, version };
}
