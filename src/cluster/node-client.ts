/** Calls from this node to another one, by its certificate, and the issuer that a node without the authority's key asks. */
import { object, string } from '../base/schema.ts';
import type { MolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { hostAndPort, RpcClient } from '../net/net.ts';
import { isIssuedBy } from './certificate.ts';
import type { Identity, RemoteIssuer } from './identity.ts';
import { answerInvalid, notManager, notThisNode } from './join-errors.ts';
import { RPC_PROTOCOL, spiffeOf } from './join-wire.ts';

export interface NodeAddress {
  readonly id: string;
  readonly address: string;
  readonly port: number;
}

/** A connection is good for exactly this node: its id is in the certificate that must answer. */
export function connectNode(options: {
  readonly identity: Identity;
  readonly node: NodeAddress;
  readonly clock: Clock;
}): RpcClient {
  const { identity, node, clock } = options;
  const { address, port } = node;
  const checkServer = (certificate: {
    readonly subjectAltName: string | undefined;
  }): MolnError | undefined => {
    const found = spiffeOf(certificate.subjectAltName);
    const isIt = found?.clusterId === identity.cluster.id && found.nodeId === node.id;
    return isIt ? undefined : notThisNode(hostAndPort(node));
  };
  return new RpcClient({
    clock,
    target: () => ({
      address,
      port,
      protocol: RPC_PROTOCOL,
      authority: identity.trustedPem,
      credentials: {
        key: identity.certificate.keyPem,
        cert: identity.certificate.certificatePem,
      },
      checkServer,
    }),
  });
}

const answerSchema = object({ certificate: string() });
const authoritySchema = object({ authorityKey: string() });

/** Asks the managers in turn; `managers` is called for each question. */
export function remoteIssuer(options: {
  readonly identity: Identity;
  readonly managers: () => Promise<readonly NodeAddress[]>;
  readonly clock: Clock;
}): RemoteIssuer {
  const { identity } = options;
  const ask = (method: string, params: unknown): Promise<string> =>
    askManager(options, method, params, (answer) => {
      const { certificate } = answerSchema.decode(answer, '');
      // One that has not gone over to the next authority yet: another one may have.
      if (isIssuedBy(certificate, identity.authorityPem)) return certificate;
      throw answerInvalid('a certificate of another authority');
    });
  return {
    renew: (request) => ask('cluster.renew', { request }),
    certify: (request, names) => ask('cluster.certify', { request, names }),
  };
}

/** Fetches the keys of the authorities, for a node that the registry has made a manager, until it has the one of `of`. */
export async function fetchAuthorityKey(options: {
  readonly identity: Identity;
  readonly managers: () => Promise<readonly NodeAddress[]>;
  readonly clock: Clock;
  /** Fingerprint; default: of the one that signs. */
  readonly of?: string;
}): Promise<void> {
  const { identity, of = identity.fingerprint } = options;
  await askManager(options, 'cluster.authority', {}, (answer) =>
    identity.takeAuthorityKey(authoritySchema.decode(answer, '').authorityKey, of),
  );
}

/** Until one answers, and its answer is taken. */
async function askManager<T>(
  options: {
    readonly identity: Identity;
    readonly managers: () => Promise<readonly NodeAddress[]>;
    readonly clock: Clock;
  },
  method: string,
  params: unknown,
  take: (answer: unknown) => T | Promise<T>,
): Promise<T> {
  const { identity, clock } = options;
  let last: unknown = notManager(identity.node.name);
  for (const node of await options.managers()) {
    await using client = connectNode({ identity, node, clock });
    try {
      return await take(await client.call(method, params));
    } catch (error) {
      last = error;
    }
  }
  throw last;
}
