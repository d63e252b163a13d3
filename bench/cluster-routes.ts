/** How long a change of a route takes until every gateway of the cluster answers by it, with many apps online. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeApp, writeFiles } from '../testing/app-folder.ts';
import { ask } from '../testing/http.ts';
import type { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';

const CHANGES = 20;
/** Every fifth app is a process, the others are folders of files: a machine holds more of those than of processes. */
const PROCESS_EVERY = 5;
/** The apps whose routes change are so far apart, so that both kinds are among them. */
const CHANGE_STRIDE = 7;
/** Deploys that run side by side. */
const PARALLEL = 4;
const WITHIN_MS = 60_000;
const POLL_MS = 5;

/** Puts apps online, through the first node. */
export async function deployApps([first]: readonly TestNode[], apps: number): Promise<void> {
  if (first === undefined) throw new Error('No nodes');
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-'));
  const [site, processApp] = [join(folder, 'site'), join(folder, 'process')];
  writeFiles(site, { 'index.html': 'hello' });
  writeFiles(processApp, nodeApp(`'hello'`));
  const todo = Array.from({ length: apps }, (_, at) => at);
  const deploy = async (): Promise<void> => {
    for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
      const source = at % PROCESS_EVERY === 0 ? processApp : site;
      await first.json('deploy', source, '--name', nameOf(at));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, deploy));
  await rm(folder, { recursive: true });
}

/** Milliseconds from sending the change to the last gateway's first answer by it, for each of some changes. */
export async function routeChanges(
  nodes: readonly TestNode[],
  apps: number,
): Promise<readonly number[]> {
  const [first] = nodes;
  if (first === undefined) throw new Error('No nodes');
  const took: number[] = [];
  for (let change = 0; change < CHANGES; change++) {
    const name = nameOf((change * CHANGE_STRIDE) % apps);
    const host = `change${change}.example.org`;
    const begunMs = performance.now();
    await setDomain(first, name, host);
    await Promise.all(nodes.map((node) => untilAnswers(node, host)));
    took.push(performance.now() - begunMs);
  }
  return took;
}

function nameOf(at: number): string {
  return `app${at}`;
}

/** Straight to the API, so that the start of a CLI is not measured. */
async function setDomain(node: TestNode, app: string, domain: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const body = JSON.stringify({ domains: [domain] });
  const sent = request({
    socketPath: join(node.dataFolder, 'run', 'api.sock'),
    path: `/api/apps/${app}/domains`,
    method: 'PUT',
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  });
  sent.once('error', reject);
  sent.once('response', (response) => {
    response.resume();
    response.once('end', resolve);
    const { statusCode = 0 } = response;
    if (statusCode >= 400) reject(new Error(`Setting a domain answers ${statusCode}`));
  });
  sent.end(body);
  await promise;
}

async function untilAnswers(node: TestNode, host: string): Promise<void> {
  const { address, ports } = node;
  await until(
    `${host} at ${address}`,
    async () => (await ask({ address, port: ports.http, host, path: '/' })).status === 200,
    { withinMs: WITHIN_MS, pauseMsMax: POLL_MS },
  );
}
