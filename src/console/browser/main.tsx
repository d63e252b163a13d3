/** Starts the console in the page that the server sent, which shows the same tables without scripts. */
import { render } from 'preact';
import type { Status } from '../../api/model.ts';
import { AppShell } from './app-shell.tsx';

/** What the server has put into the page, if anything. */
function firstStatus(): Status | undefined {
  const text = document.querySelector('#moln-data')?.textContent;
  if (text === undefined || text === null || text.trim() === '') return undefined;
  const data = JSON.parse(text) as { readonly status?: Status };
  return data.status;
}

const root = document.querySelector('#app');
if (root !== null) {
  const first = firstStatus();
  root.replaceChildren();
  render(<AppShell first={first} />, root);
}
