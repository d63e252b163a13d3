/** Starts the console in the page that the server sent. */
import { render } from 'preact';

const root = document.querySelector('#app');
if (root !== null) {
  root.textContent = '';
  render(<p>Moln</p>, root);
}
