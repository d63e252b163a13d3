/** The words of `moln up`, once everything runs: short, and what to type next at the end. */
import type { Status } from '../api/model.ts';
import type { Words } from './words.ts';

const LABEL_WIDTH = 10;

/** `command`: how this CLI was called, so that the hints can be copied (`moln` or `moln --data DIR`). */
export function printUpWords(
  words: Words,
  status: Status,
  loginLink: string | undefined,
  options: {
    readonly waitsFor: string | undefined;
    readonly dataFolder: string;
    readonly tookMs: number;
    readonly command: string;
  },
): void {
  const row = (label: string, value: string): void =>
    words.line(`  ${words.style('dim', label.padEnd(LABEL_WIDTH))}${value}`);
  const node = status.self;
  words.line();
  words.line(
    `${words.style('green', '●')} ${words.style('bold', 'Moln is up')}: node "${node}"` +
      words.style('dim', ` in ${(options.tookMs / 1000).toFixed(1)} s`),
  );
  words.line();
  row('Gateway', `${status.gateway.url}  ${status.gateway.httpsUrl}`);
  status.apps.forEach((app, at) => {
    const url = app.urls[0] ?? 'no address yet';
    const state = app.state === 'healthy' ? '' : words.style('yellow', `  (${app.state})`);
    row(at === 0 ? 'Apps' : '', `${words.style('cyan', url)}${state}`);
  });
  if (loginLink === undefined) row('Console', `"${options.command} console" makes a link`);
  else row('Console', `${words.style('cyan', loginLink)}  ${words.style('dim', '(works once)')}`);
  row('Data', options.dataFolder);
  if (options.waitsFor !== undefined) {
    words.line();
    words.line(`  ${words.style('yellow', options.waitsFor)}`);
  }
  if (!status.driver.isolated) {
    words.line();
    words.line(
      `  ${words.style('yellow', 'Apps are not kept apart')}: ${status.driver.why.replace(/\.$/, '')}`,
    );
  }
  const address = unreachedBy(status);
  if (address !== undefined) {
    words.line();
    words.line(
      '  Names under .localhost lead to 127.0.0.1, and this node listens elsewhere. Give an app a',
    );
    words.line('  domain of your own, or say the name yourself:');
    words.line(`    curl -H "Host: NAME.localhost" ${address}/`);
  }
  words.line();
  words.line('  Next, in another terminal:');
  const deploy = `${options.command} deploy DIR --name NAME`;
  const status_ = `${options.command} status`;
  const width = Math.max(deploy.length, status_.length);
  words.line(`    ${deploy.padEnd(width)}  put a folder online`);
  words.line(`    ${status_.padEnd(width)}  see what runs`);
  words.line();
  words.line('  Ctrl-C stops the node and its apps; nothing is lost.');
}

/** The gateway's address when names under .localhost do not lead to it. */
function unreachedBy(status: Status): string | undefined {
  const { hostname } = new URL(status.gateway.url);
  return hostname === '127.0.0.1' || hostname === '[::1]' ? undefined : status.gateway.url;
}
