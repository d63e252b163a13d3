/**
 * How the process of an instance is spawned; held, when somebody has to know of it before it begins. A held one waits until it is let
 * go, and ends without having done anything when who holds it is gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Writable } from 'node:stream';
import type { SpawnPlan } from './driver.ts';

/** The pipe that a held process waits on. */
const HOLD = 3;
const WAIT = `read -r go <&${HOLD} && exec ${HOLD}<&- && exec "$@"`;

/** `output`: descriptor of its log. It goes on when this process ends. */
export function spawnInstance(
  plan: SpawnPlan,
  { output, isHeld }: { readonly output: number; readonly isHeld: boolean },
): ChildProcess {
  const { file, args, cwd, env, uid } = plan;
  const options = {
    cwd,
    env,
    detached: true,
    ...(uid === undefined ? {} : { uid, gid: plan.gid ?? uid }),
  };
  const child = isHeld
    ? spawn('/bin/sh', ['-c', WAIT, 'moln-held', file, ...args], {
        ...options,
        stdio: ['ignore', output, output, 'pipe'],
      })
    : spawn(file, args, { ...options, stdio: ['ignore', output, output] });
  child.unref();
  return child;
}

/** Nothing happens to one that is not held. */
export function letGo(child: ChildProcess): void {
  const hold = child.stdio[HOLD];
  if (!(hold instanceof Writable)) return;
  // It may have ended already, which is seen elsewhere.
  hold.on('error', () => undefined);
  hold.end('go\n');
}
