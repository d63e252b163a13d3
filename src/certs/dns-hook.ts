/** The program that sets and clears records of DNS for DNS-01 (RFC 8555 8.4): `PROGRAM set NAME VALUE`, `PROGRAM clear NAME VALUE`. */
import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { messageOf } from '../base/errors.ts';
import { formatDuration } from '../base/time.ts';
import { hookFailed } from './errors.ts';
import { HOOK_OUTPUT_CHARACTERS_MAX, HOOK_TIMEOUT_MS } from './limits.ts';

/** Resolves when it has ended well. Throws `CERTS_HOOK_FAILED` with its last words. */
export async function runDnsHook(
  program: string,
  verb: 'set' | 'clear',
  { host, value }: { readonly host: string; readonly value: string },
  signal: AbortSignal,
): Promise<void> {
  const what = `"${program} ${verb}" for ${host}`;
  await requireOwned(program);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Not spawn's own time limit: its timer outlives a program that could not be started.
  const late = AbortSignal.timeout(HOOK_TIMEOUT_MS);
  const child = spawn(program, [verb, `_acme-challenge.${host}`, value], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    signal: AbortSignal.any([signal, late]),
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-HOOK_OUTPUT_CHARACTERS_MAX);
    });
  }
  child.on('error', (error) => {
    if (signal.aborted) reject(signal.reason as Error);
    else if (late.aborted)
      reject(hookFailed(`${what} took more than ${formatDuration(HOOK_TIMEOUT_MS)}`));
    else reject(hookFailed(`${what} did not run: ${messageOf(error)}`, error));
  });
  child.on('close', (code, killedBy) => {
    if (code === 0) resolve();
    else {
      const end = code === null ? `was ended by ${killedBy}` : `ended with ${code}`;
      const words = said.trim();
      reject(hookFailed(`${what} ${end}${words === '' ? '' : `: ${words}`}`));
    }
  });
  await promise;
}

const WRITABLE_BY_OTHERS = 0o022;

/** It runs with the rights of this process: nobody else may have written it, an app's user least of all. */
async function requireOwned(program: string): Promise<void> {
  let found;
  try {
    found = await stat(program);
  } catch (error) {
    throw hookFailed(`The program "${program}" cannot be looked at: ${messageOf(error)}`, error);
  }
  const isOwned = found.uid === 0 || found.uid === process.getuid?.();
  if (isOwned && (found.mode & WRITABLE_BY_OTHERS) === 0) return;
  throw hookFailed(
    `The program "${program}" is not run, for others may change it: it has to be of root or of who runs Moln, and writable by nobody else`,
  );
}
