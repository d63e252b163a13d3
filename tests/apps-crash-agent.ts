/** An agent that does nothing but look after apps, to be killed by a test. Argument: the data folder. */
import { packFolder } from '../src/apps/apps.ts';
import { openApps } from '../testing/apps-kit.ts';

const data = process.argv[2];
if (data === undefined) throw new Error('Which data folder?');
const running = await openApps(data);
process.stdout.write(`open on ${running.router.port}\n`);
// Deploys come as lines: app, folder.
for await (const chunk of process.stdin) {
  for (const line of String(chunk).trim().split('\n')) {
    const [app = '', folder = ''] = line.split(' ');
    const progress = running.apps.deploy({
      app,
      tar: packFolder(folder),
      domains: [],
      by: 'test',
    });
    for await (const item of progress) process.stdout.write(`${JSON.stringify(item)}\n`);
  }
}
