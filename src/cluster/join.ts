/**
 * The joiner's side. Nothing is sent before the authority fits the pin; then secret and request go, and what comes back
 * is written file by file, `node.json` last. `keys/join.json` is written before the first word that changes something:
 * with it, a join that was cut off at any step is repeated with the same node id and the same key, which the cluster lets
 * in again.
 */
import { rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureFolder, ensureFolderSync, removeTree, sweepTemporary } from '../base/disk.ts';
import { isMolnError, systemCode } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, isoTime } from '../base/time.ts';
import { hostAndPort, RpcClient } from '../net/net.ts';
import { authoritiesOf, readEndorsement, writeAuthorities } from './authority-files.ts';
import { isIssuedBy, isKeyOf, fingerprintOf, pemBlocks, writeKeyPair } from './certificate.ts';
import { clockUnset } from './errors.ts';
import { fetchAuthority } from './fetch-authority.ts';
import { checkName } from './identity.ts';
import { decodeInvite, type Invite, type InviteAddress } from './invite.ts';
import {
  alreadyMember,
  answerInvalid,
  nobodyReachable,
  notThisNode,
  ofOtherCluster,
} from './join-errors.ts';
import { type JoinPlan, newJoinPlan, readJoinPlan, writeJoinPlan } from './join-plan.ts';
import {
  CLUSTER_PROTOCOL,
  JOIN_PROTOCOL,
  type JoinAnswer,
  joinAnswerSchema,
  type RegistryPlace,
  spiffeOf,
} from './join-wire.ts';
import { EARLIEST_NOW_MS, JOIN_DEADLINE_MS } from './limits.ts';
import { type ManagerAddress, type NodeFile, readNodeFile, writeNodeFile } from './node-file.ts';
import { answerReach } from './reach.ts';
import { importSealer } from './sealing.ts';
import { createSigningRequest } from './x509.ts';

export interface JoinOptions {
  /** The line that `moln invite` printed. */
  readonly invite: string;
  /** Exists or is created with mode 0700; must not be a node's yet. */
  readonly dataFolder: string;
  readonly name: string;
  /** Where other nodes reach this machine, the best first. Only those that really lead here are kept. */
  readonly addresses: readonly string[];
  /** Of the control port, which must be free now; 0 takes any (for tests). */
  readonly port: number;
  /** Where the gateways will answer those of other nodes. */
  readonly gatewayPort: number;
  /** What all instances together may use. */
  readonly memoryMiB: number;
  /** What the control port is bound to. Default: every interface. */
  readonly listenAddress?: string;
  readonly region?: string | undefined;
  readonly labels?: Readonly<Record<string, string>>;
  readonly version: string;
  /** Keeps where the registry is, before the last step makes a node of the folder. */
  readonly keepRegistry?: (place: RegistryPlace) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface JoinResult {
  readonly cluster: { readonly id: string; readonly name: string };
  readonly node: { readonly id: string; readonly name: string };
  readonly managers: readonly ManagerAddress[];
  /** Undefined when a former call had done it. */
  readonly registry: RegistryPlace | undefined;
  /** True when a former call had done it and only its end was missing. */
  readonly completed: boolean;
}

/** What the joiner knows of the manager it talks to. */
interface Contact {
  readonly where: InviteAddress;
  /** What it is trusted by. */
  readonly authorityPem: string;
}

/**
 * Makes a node of that cluster out of an empty data folder; `openIdentity` opens it afterwards. Refusals are one
 * sentence each and leave both sides as they were. After `retryable` errors the same call may simply be repeated.
 */
export async function joinCluster(options: JoinOptions): Promise<JoinResult> {
  const { dataFolder, clock } = options;
  const invite = decodeInvite(options.invite);
  checkName(options.name);
  if (clock.now() < EARLIEST_NOW_MS) throw clockUnset(isoTime(clock.now()));
  const keysFolder = join(dataFolder, 'keys');
  const former = await readJoinPlan(keysFolder);
  const file = await readNodeFile(join(dataFolder, 'node.json'));
  if (file !== undefined) return completed(options, { file, former, invite });
  const contact = await findCluster(invite, options);
  const isNew = former === undefined || former.pin !== invite.pin;
  const plan = isNew ? await newJoinPlan(invite.pin) : former;
  const madeFolder = await prepareFolders(dataFolder, keysFolder);
  await writeJoinPlan(keysFolder, plan);
  let said: unknown;
  try {
    said = await ask(options, { invite, contact, plan });
  } catch (error) {
    // Refused for certain and never asked before: as if nothing had been. Else the plan is what a repeat needs.
    if (isNew && isRefusal(error)) await removePlan(dataFolder, { madeFolder });
    throw error;
  }
  const answer = joinAnswerSchema.decode(said, '');
  const joined = await persist(options, { answer, plan });
  options.log.info('Cluster joined', { cluster: joined.cluster.id, node: joined.node.id });
  return {
    ...joined,
    managers: answer.managers,
    registry: answer.registry,
    completed: false,
  };
}

/** False where it stays open whether the cluster has done it. */
function isRefusal(error: unknown): boolean {
  if (!isMolnError(error)) return false;
  return !OUTCOME_UNKNOWN.has(error.code) && !error.code.startsWith('REGISTRY_');
}

const OUTCOME_UNKNOWN: ReadonlySet<string> = new Set([
  'NET_RPC_BROKEN',
  'NET_RPC_DEADLINE',
  'NET_RPC_INVALID',
]);

async function completed(
  { dataFolder }: JoinOptions,
  state: {
    readonly file: NodeFile;
    readonly former: JoinPlan | undefined;
    readonly invite: Invite;
  },
): Promise<JoinResult> {
  const { file, former, invite } = state;
  if (former !== undefined && former.nodeId === file.node.id) {
    await removeTree(join(dataFolder, 'keys', 'join.json'));
    const { cluster, node } = file;
    return {
      cluster,
      node,
      managers: file.joined?.managers ?? [],
      registry: undefined,
      completed: true,
    };
  }
  const endorsement = await readEndorsement(join(dataFolder, 'keys', 'ca-former.pem'));
  const own = file.keys?.authoritySha256;
  const before = endorsement === undefined ? undefined : fingerprintOf(endorsement.formerPem);
  const isSame = [own, before].some((fingerprint) => fingerprint?.startsWith(invite.pin) === true);
  throw isSame ? alreadyMember(file.cluster.name) : ofOtherCluster(file.cluster.name, dataFolder);
}

/** The first address where the pinned authority answers. Somebody else's authority ends it at once. */
async function findCluster(invite: Invite, { clock }: JoinOptions): Promise<Contact> {
  let last: unknown;
  for (const where of invite.addresses) {
    try {
      return { where, authorityPem: await fetchAuthority(where, { pin: invite.pin, clock }) };
    } catch (error) {
      if (!isMolnError(error, 'NET_RPC_UNREACHABLE')) throw error;
      last = error;
    }
  }
  const tried = invite.addresses.map(({ host, port }) => hostAndPort({ address: host, port }));
  throw nobodyReachable(tried, last);
}

async function ask(
  options: JoinOptions,
  known: { readonly invite: Invite; readonly contact: Contact; readonly plan: JoinPlan },
): Promise<unknown> {
  const { invite, contact, plan } = known;
  const { where, authorityPem } = contact;
  const { name, addresses, region, version, clock } = options;
  const { requestPem } = await createSigningRequest(plan.keyPem);
  const nonce = randomId(24);
  const address = options.listenAddress ?? '::';
  await using reachable = await answerReach({ address, port: options.port, nonce });
  await using client = new RpcClient({
    clock,
    target: () => ({
      address: where.host,
      port: where.port,
      protocol: JOIN_PROTOCOL,
      authority: authorityPem,
      checkServer: (certificate) =>
        spiffeOf(certificate.subjectAltName) === undefined
          ? notThisNode(hostAndPort({ address: where.host, port: where.port }))
          : undefined,
    }),
  });
  const request = {
    protocol: CLUSTER_PROTOCOL,
    version,
    inviteId: invite.id,
    secret: invite.secret,
    nodeId: plan.nodeId,
    name,
    addresses,
    port: reachable.port,
    gatewayPort: options.gatewayPort,
    memoryMiB: options.memoryMiB,
    ...(region === undefined ? {} : { region }),
    labels: options.labels ?? {},
    request: requestPem,
    nonce,
    now: clock.now(),
  };
  return await client.call('join', request, { deadlineMs: JOIN_DEADLINE_MS });
}

/** Everything is checked before the first byte is written; `node.json` makes it a node. */
async function persist(
  { dataFolder, clock, keepRegistry }: JoinOptions,
  known: {
    readonly answer: JoinAnswer;
    readonly plan: JoinPlan;
  },
): Promise<Pick<JoinResult, 'cluster' | 'node'>> {
  const { answer, plan } = known;
  const { certificate: certificatePem, authorityKey = '' } = answer;
  const keysFolder = join(dataFolder, 'keys');
  if (answer.node.id !== plan.nodeId) throw answerInvalid('another node id');
  // Whoever has proved the pin says which authorities there are: two, while one follows the other.
  const authorities = authoritiesOf(
    pemBlocks(answer.authority, 'CERTIFICATE'),
    pemBlocks(authorityKey, 'PRIVATE KEY'),
  );
  if (authorities === undefined) throw answerInvalid('no authority');
  const [authority] = authorities;
  const isOurs = isIssuedBy(certificatePem, authority.certificatePem);
  if (!isKeyOf(certificatePem, plan.keyPem) || !isOurs) {
    throw answerInvalid('a certificate for another key or of another authority');
  }
  if (answer.authorityKey !== undefined && authority.keyPem === undefined) {
    throw answerInvalid('the key of another authority');
  }
  const sealer = await importSealer(join(keysFolder, 'seal.key'), answer.sealKey);
  await writeAuthorities(join(keysFolder, 'ca.pem'), authorities);
  await writeKeyPair(join(keysFolder, 'node.pem'), { certificatePem, keyPem: plan.keyPem });
  const { id, name } = answer.node;
  const file: NodeFile = {
    cluster: answer.cluster,
    node: { id, name },
    createdAt: clock.now(),
    keys: { authoritySha256: fingerprintOf(authority.certificatePem), sealKeyId: sealer.keyId },
    joined: {
      at: clock.now(),
      authorityKey: answer.authorityKey !== undefined,
      managers: answer.managers,
    },
  };
  await keepRegistry?.(answer.registry);
  await writeNodeFile(join(dataFolder, 'node.json'), file);
  await removeTree(join(keysFolder, 'join.json'));
  return { cluster: file.cluster, node: file.node };
}

/** True when the data folder was not there. */
async function prepareFolders(dataFolder: string, keysFolder: string): Promise<boolean> {
  const was = await stat(dataFolder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  await ensureFolder(dataFolder);
  ensureFolderSync(keysFolder);
  await sweepTemporary(keysFolder);
  return was === undefined;
}

async function removePlan(
  dataFolder: string,
  { madeFolder }: { readonly madeFolder: boolean },
): Promise<void> {
  await removeTree(join(dataFolder, 'keys', 'join.json'));
  await removeIfEmpty(join(dataFolder, 'keys'));
  if (madeFolder) await removeIfEmpty(dataFolder);
}

async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOTEMPTY') throw error;
  });
}
