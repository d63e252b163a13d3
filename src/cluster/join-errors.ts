/** What a join can be refused for: one code and one sentence each. Nothing was changed on either side. */
import { MolnError } from '../base/errors.ts';
import { formatDuration } from '../base/time.ts';

const NEW_INVITE = 'Make a new one with "moln invite" on a node of the cluster';

export function inviteNotOne(): MolnError {
  return new MolnError('CLUSTER_INVITE_INVALID', 'This is no invite, want a line "moln1.…"', {
    hint: 'Paste the whole line that "moln invite" printed',
  });
}

export function inviteCut(): MolnError {
  return new MolnError('CLUSTER_INVITE_INVALID', 'This invite is not complete or was changed', {
    hint: 'Paste the whole line that "moln invite" printed',
  });
}

export function inviteForeignVersion(version: number, known: number): MolnError {
  return new MolnError(
    'CLUSTER_INVITE_VERSION',
    `This invite has version ${version}, this Moln reads version ${known}`,
    { hint: 'Run the same version of Moln on both machines', details: { version, known } },
  );
}

/** Also for a wrong secret: a stranger learns nothing about which invites there are. */
export function inviteUnknown(): MolnError {
  return new MolnError('CLUSTER_INVITE_UNKNOWN', 'The cluster does not know this invite', {
    hint: NEW_INVITE,
  });
}

export function inviteExpired(agoMs: number): MolnError {
  return new MolnError(
    'CLUSTER_INVITE_EXPIRED',
    `This invite has expired ${formatDuration(agoMs)} ago`,
    { hint: NEW_INVITE },
  );
}

export function inviteUsed(uses: number): MolnError {
  const often = uses === 1 ? 'once' : `${uses} times`;
  return new MolnError(
    'CLUSTER_INVITE_USED',
    `This invite was good for joining ${often} and is used up`,
    { hint: NEW_INVITE },
  );
}

export function inviteNotFound(id: string): MolnError {
  return new MolnError('CLUSTER_INVITE_NOT_FOUND', `No invite "${id}"`, {
    hint: 'See the ids with "moln invite list"',
  });
}

export function inviteBounds(what: string): MolnError {
  return new MolnError('CLUSTER_INVITE_BOUNDS', what);
}

export function otherCluster(where: string): MolnError {
  return new MolnError(
    'CLUSTER_PIN_MISMATCH',
    `The server at ${where} is not of the cluster that this invite is for; nothing was sent to it`,
    {
      hint: 'Somebody may listen in between, or the cluster was made anew: make a new invite there',
    },
  );
}

export function nobodyReachable(tried: readonly string[], cause: unknown): MolnError {
  return new MolnError(
    'CLUSTER_UNREACHABLE',
    `No node of the cluster can be reached from this machine, tried ${tried.join(', ')}`,
    {
      hint: 'Check that the inviting node runs and that nothing blocks that TCP port towards it',
      retryable: true,
      cause,
    },
  );
}

/** The other direction: from the cluster to the joiner. */
export function joinerUnreachable(from: string, tried: readonly string[], why: string): MolnError {
  const port = tried[0]?.replace(/^.*:/, '') ?? '';
  return new MolnError(
    'CLUSTER_JOINER_UNREACHABLE',
    `Node "${from}" cannot reach this machine at ${tried.join(', ')}: ${why}`,
    {
      hint: `Let TCP port ${port} in on this machine, or choose another with --address ADDRESS`,
      retryable: true,
    },
  );
}

export function clockOff(offMs: number, mostMs: number): MolnError {
  const direction = offMs < 0 ? 'behind' : 'ahead of';
  const off = formatDuration(Math.abs(offMs));
  return new MolnError(
    'CLUSTER_CLOCK_OFF',
    `The clock of this machine is ${off} ${direction} the cluster's, at most ${formatDuration(mostMs)} work`,
    { hint: 'Set the clock, for example with "timedatectl set-ntp true", and join again' },
  );
}

export function joinerTooOld(version: string, own: string): MolnError {
  return new MolnError(
    'CLUSTER_VERSION_TOO_OLD',
    `This machine has Moln ${version}, too old for the cluster, which has ${own}`,
    { hint: `Install Moln ${own} here and join again` },
  );
}

export function joinerTooNew(version: string, own: string): MolnError {
  return new MolnError(
    'CLUSTER_VERSION_TOO_NEW',
    `This machine has Moln ${version}, too new for the cluster, which has ${own}`,
    { hint: `Update the cluster first, or install Moln ${own} here` },
  );
}

/** Of a node that was updated, or was not while the others were. */
export function nodeTooOld(version: string, other: NamedVersion): MolnError {
  return new MolnError(
    'CLUSTER_VERSION_TOO_OLD',
    `Moln ${version} on this machine is too old for its cluster: node "${other.name}" has ${other.version}`,
    { hint: `Nothing was changed. Install Moln ${other.version} here and start it again` },
  );
}

export function nodeTooNew(version: string, other: NamedVersion): MolnError {
  return new MolnError(
    'CLUSTER_VERSION_TOO_NEW',
    `Moln ${version} on this machine is too new for its cluster: node "${other.name}" has ${other.version}`,
    {
      hint: `Nothing was changed. Install Moln ${other.version} here, or stop Moln on all machines, update them all, and start them again`,
    },
  );
}

interface NamedVersion {
  readonly name: string;
  readonly version: string;
}

export function alreadyMember(cluster: string): MolnError {
  return new MolnError(
    'CLUSTER_ALREADY_MEMBER',
    `This data folder is already a node of this cluster "${cluster}"`,
    { hint: 'Start it with "moln up"' },
  );
}

export function ofOtherCluster(cluster: string, path: string): MolnError {
  return new MolnError(
    'CLUSTER_OTHER_MEMBER',
    `"${path}" belongs to the cluster "${cluster}" already`,
    { hint: 'Join with an empty folder: moln join LINE --data DIR' },
  );
}

export function nameTaken(name: string): MolnError {
  return new MolnError('CLUSTER_NAME_TAKEN', `There is a node "${name}" in the cluster already`, {
    hint: 'Choose another name with --name NODE, or remove the old one with "moln node NAME forget"',
  });
}

export function requestInvalid(): MolnError {
  return new MolnError('CLUSTER_REQUEST_INVALID', 'The certificate request is not valid', {
    hint: 'Run the same version of Moln on both machines',
  });
}

/** The answer of the cluster does not fit what was asked for. */
export function answerInvalid(why: string): MolnError {
  return new MolnError('CLUSTER_ANSWER_INVALID', `The answer of the cluster is not valid: ${why}`, {
    hint: 'Run the same version of Moln on both machines',
  });
}

export function notManager(name: string): MolnError {
  return new MolnError(
    'CLUSTER_NOT_MANAGER',
    `Node "${name}" has no authority key and cannot do this`,
    { hint: 'Ask a manager', retryable: true },
  );
}

export function nodeNotFound(name: string): MolnError {
  return new MolnError('CLUSTER_NODE_NOT_FOUND', `No node "${name}"`, {
    hint: 'See the names with "moln nodes"',
  });
}

export function nodeForgotten(): MolnError {
  return new MolnError('CLUSTER_NODE_FORGOTTEN', 'This node was removed from the cluster', {
    hint: 'Join again with a new invite and an empty data folder',
  });
}

export function nodeUnknown(): MolnError {
  return new MolnError('CLUSTER_NODE_UNKNOWN', 'The cluster does not know this node', {
    hint: 'Join again with a new invite and an empty data folder',
  });
}

export function notThisNode(where: string): MolnError {
  return new MolnError('CLUSTER_NOT_THIS_NODE', `Another node answers at ${where}`, {
    hint: 'See the addresses with "moln nodes"',
  });
}

export function tooBusy(what: string): MolnError {
  return new MolnError('CLUSTER_BUSY', `Too many others change ${what} at the same time`, {
    retryable: true,
  });
}

export function certificatesTooMany(name: string): MolnError {
  return new MolnError(
    'CLUSTER_CERTIFICATES_TOO_MANY',
    `Node "${name}" has had too many certificates that are still good`,
    { hint: 'Each lives a month; see in the log of the node why it asks for so many' },
  );
}
