/** The program that sets and clears records of DNS for DNS-01 (RFC 8555 8.4): `PROGRAM set NAME VALUE`, `PROGRAM clear NAME VALUE`. */
import { spawn } from 'node:child_process';
import { messageOf } from '../base/errors.ts';
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
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn(program, [verb, `_acme-challenge.${host}`, value], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: HOOK_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    signal,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-HOOK_OUTPUT_CHARACTERS_MAX);
    });
  }
  child.on('error', (error) => {
    reject(
      signal.aborted
        ? signal.reason
        : hookFailed(`${what} did not run: ${messageOf(error)}`, error),
    );
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
