/**
 * The keys of a rented bucket, as the tools of AWS keep them: a section of `~/.aws/credentials`. Moln keeps none of them.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';

export interface S3Keys {
  readonly id: string;
  readonly secret: string;
  readonly token: string | undefined;
  readonly region: string;
}

const PROFILE_DEFAULT = 'default';
const REGION_DEFAULT = 'us-east-1';

/** Of the user that this process runs as. */
export function usualKeysFile(): string {
  return join(homedir(), '.aws', 'credentials');
}

/** Throws a sentence for people when there are none. */
export async function readS3Keys(path: string, profile: string = PROFILE_DEFAULT): Promise<S3Keys> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(
      `the keys in "${path}" cannot be read: ${systemCode(error) ?? 'it is no file'}`,
      { cause: error },
    );
  }
  const fields = sectionOf(text, profile);
  const [id, secret] = [fields?.get('aws_access_key_id'), fields?.get('aws_secret_access_key')];
  if (id === undefined || secret === undefined)
    throw new Error(
      `"${path}" has no section [${profile}] with aws_access_key_id and aws_secret_access_key`,
    );
  return {
    id,
    secret,
    token: fields?.get('aws_session_token'),
    region: fields?.get('region') ?? REGION_DEFAULT,
  };
}

/** `[NAME]`, then lines `word = value`. */
function sectionOf(text: string, name: string): ReadonlyMap<string, string> | undefined {
  let found: Map<string, string> | undefined;
  let isOpen = false;
  for (const line of text.split('\n')) {
    const section = /^\s*\[\s*(.*?)\s*\]\s*$/.exec(line)?.[1];
    if (section !== undefined) isOpen = section === name;
    if (isOpen) found ??= new Map();
    const [, word, value] = /^\s*([a-z0-9_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (isOpen && word !== undefined && value !== undefined) found?.set(word, value);
  }
  return found;
}
