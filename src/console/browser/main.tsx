/** Starts the console in the page that the server sent, which shows the same tables without scripts. */
import { render } from 'preact';
import type { FirstData } from './view.ts';
import { AppShell } from './app-shell.tsx';

/** What the server has put into the page, if anything. */
function firstData(): FirstData {
  const text = document.querySelector('#moln-data')?.textContent ?? '';
  return text.trim() === '' ? {} : (JSON.parse(text) as FirstData);
}

const root = document.querySelector('#app');
if (root !== null) {
  const first = firstData();
  root.replaceChildren();
  render(<AppShell first={first} />, root);
}
