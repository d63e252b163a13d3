/** How long a change of a route takes until every gateway of the cluster answers by it, with many apps online. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeFiles } from '../testing/app-folder.ts';
import { ask } from '../testing/http.ts';
import type { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';

const CHANGES = 20;
/** Deploys that run side by side. */
const PARALLEL = 4;
const WITHIN_MS = 60_000;
const POLL_MS = 5;

/** Milliseconds from sending the change to the last gateway's first answer by it, for each of some changes. */
export async function routeChanges(
  nodes: readonly TestNode[],
  apps: number,
): Promise<readonly number[]> {
  const [first] = nodes;
  if (first === undefined) throw new Error('No nodes');
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-'));
  writeFiles(folder, { 'index.html': 'hello' });
  const names = Array.from({ length: apps }, (_, at) => `app${at}`);
  const todo = [...names];
  const deploy = async (): Promise<void> => {
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      await first.json('deploy', folder, '--name', name);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, deploy));
  await rm(folder, { recursive: true });
  const took: number[] = [];
  for (let change = 0; change < CHANGES; change++) {
    const name = names[Math.floor((change * apps) / CHANGES)] ?? 'app0';
    const host = `change${change}.example.org`;
    const begunMs = performance.now();
    await setDomain(first, name, host);
    await Promise.all(nodes.map((node) => untilAnswers(node, host)));
    took.push(performance.now() - begunMs);
  }
  return took;
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
