/** For browsers without a session: there is no password to type, only a link to ask for. */
import type { VNode } from 'preact';
import { Command } from './command.tsx';

export function LoggedOut(): VNode {
  return (
    <main class="logged-out" id="main">
      <h1>You are logged out</h1>
      <p>
        On a machine of this cluster, run this. It prints a link that logs one browser in, once.
      </p>
      <Command text="moln console" />
    </main>
  );
}
