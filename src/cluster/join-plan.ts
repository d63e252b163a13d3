/** `keys/join.json`, format 1: what a join that was cut off needs to be repeated as the same node. */
import { join } from 'node:path';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { messageOf } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import { integer, object, type Schema, string } from '../base/schema.ts';
import { dataDamaged } from './errors.ts';
import { createSigningRequest } from './x509.ts';

const FORMAT = 1;

export interface JoinPlan {
  /** Of the invite: a plan is for one cluster. */
  readonly pin: string;
  readonly nodeId: string;
  /** The key that the node's certificate will be for; it never leaves this machine. */
  readonly keyPem: string;
}

const planSchema: Schema<JoinPlan & { readonly format: number }> = object({
  format: integer({ min: FORMAT, max: FORMAT }),
  pin: string(),
  nodeId: string({ pattern: /^[0-9a-z]{12}$/, patternMeans: '12 letters and digits' }),
  keyPem: string(),
});

export async function newJoinPlan(pin: string): Promise<JoinPlan> {
  const { keyPem } = await createSigningRequest();
  return { pin, nodeId: randomId(12), keyPem };
}

/** Undefined when there is none. Throws `CLUSTER_DATA_DAMAGED`. */
export async function readJoinPlan(keysFolder: string): Promise<JoinPlan | undefined> {
  const path = join(keysFolder, 'join.json');
  const text = await readTextIfAny(path);
  if (text === undefined) return undefined;
  try {
    const { format: _format, ...plan } = planSchema.decode(JSON.parse(text), '');
    return plan;
  } catch (error) {
    throw dataDamaged(path, messageOf(error), error);
  }
}

export async function writeJoinPlan(keysFolder: string, plan: JoinPlan): Promise<void> {
  const path = join(keysFolder, 'join.json');
  await writeFileAtomic(path, `${JSON.stringify({ format: FORMAT, ...plan }, undefined, 2)}\n`);
}
