/** `--etcd URL,…` with what is needed to come in there. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemCode } from '../base/errors.ts';
import type { Input } from './command.ts';
import { usageError } from './errors.ts';

export interface EtcdOption {
  readonly endpoints: readonly string[];
  /** All in PEM. */
  readonly foreign: {
    readonly authority?: string | undefined;
    readonly certificate?: string | undefined;
    readonly key?: string | undefined;
  };
}

/** Undefined when it is not given. Throws `CLI_USAGE` that names the option. */
export function readEtcdOption(input: Input, cwd: string): EtcdOption | undefined {
  const text = input.text('etcd');
  const [authority, certificate, key] = ['etcd-ca', 'etcd-cert', 'etcd-key'].map((name) =>
    readPem(input.text(name), `--${name}`, cwd),
  );
  const isAny = [authority, certificate, key].some((pem) => pem !== undefined);
  if (text === undefined) {
    if (!isAny) return undefined;
    throw usageError('--etcd-ca, --etcd-cert and --etcd-key are for --etcd', 'Add --etcd URL');
  }
  if ((certificate === undefined) !== (key === undefined)) {
    throw usageError('--etcd-cert and --etcd-key belong together', 'Give both, or none');
  }
  const endpoints = text.split(',').map((word) => endpointOf(word.trim()));
  if (isAny && endpoints.some((endpoint) => endpoint.startsWith('http:'))) {
    throw usageError('Certificates are of no use over http:', 'Write --etcd https://…');
  }
  return { endpoints, foreign: { authority, certificate, key } };
}

function endpointOf(word: string): string {
  const url = URL.parse(word);
  const isPlain = url !== null && url.pathname === '/' && url.search === '' && url.username === '';
  if (isPlain && ['http:', 'https:'].includes(url.protocol)) return url.origin;
  throw usageError(
    `Option --etcd says "${word}", want a URL of etcd`,
    'Write it as --etcd https://10.0.0.5:2379',
  );
}

function readPem(file: string | undefined, option: string, cwd: string): string | undefined {
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(resolve(cwd, file), 'utf8');
  } catch (error) {
    throw usageError(
      `"${file}" of ${option} cannot be read: ${systemCode(error) ?? 'unknown'}`,
      'Name a file in PEM',
    );
  }
  if (text.includes('-----BEGIN ')) return text;
  throw usageError(`"${file}" of ${option} is not in PEM`, 'It begins with "-----BEGIN"');
}
