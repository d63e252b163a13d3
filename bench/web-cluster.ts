/**
 * `npm run bench -- web-cluster`: what one node serves of an app with a database, and what three do, when each of them has the same part of
 * a core: so three fit on this machine, beside who asks. The same app and the same database; the second and third node join while it runs.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import type { DatabaseDetail } from '../src/api/api.ts';
import { freeNet, TestCluster } from '../testing/test-cluster.ts';
import type { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';
import { BenchLife } from './bench-life.ts';
import { CpuShare } from './cpu-share.ts';
import { median, requirePrograms } from './tools.ts';

const NAMES = ['a', 'b', 'c'] as const;
const APP = 'web';
const ROWS = 100;
/** Through each gateway. */
const CONNECTIONS = 32;
/** Until V8 has compiled, in the processes of all nodes, what a request runs: each of three nodes sees a third of them. */
const WARM_S = 60;
const WITHIN = { withinMs: 120_000 } as const;
const SCENARIOS = { page: '/', 'JSON hello': '/hello' } as const;
const run = promisify(execFile);

interface How {
  /** Percent of a core. */
  readonly share: number;
  readonly rounds: number;
  readonly seconds: number;
}

export async function benchWebCluster(words: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      share: { type: 'string', default: '25' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
    },
  });
  requirePrograms({ wrk: 'wrk' });
  const { share, rounds, seconds } = values;
  const how = { share: Number(share), rounds: Number(rounds), seconds: Number(seconds) };
  await using life = new BenchLife();
  using shares = new DisposableStack();
  const byName = NAMES.map((name) => shares.use(new CpuShare(`moln-bench-${process.pid}-${name}`)));
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-web-cluster-'));
  try {
    await measure(life, byName, folder, how);
  } finally {
    await rm(folder, { recursive: true });
  }
  life.passed = true;
}

async function measure(
  life: BenchLife,
  shares: readonly CpuShare[],
  folder: string,
  how: How,
): Promise<void> {
  const net = await freeNet(life);
  const places = NAMES.map((_, at) => ({
    address: `${net}.${at + 1}`,
    under: shares[at]?.under ?? [],
  }));
  await using cluster = await TestCluster.form(life, NAMES.slice(0, 1), { places });
  const first = cluster.node('a');
  await writeApp(folder);
  await first.json('deploy', folder, '--name', APP);
  const alone = await rates(cluster.nodes, shares, how);
  for (const [at, name] of NAMES.entries()) {
    const place = places[at];
    if (at === 0 || place === undefined) continue;
    const node = await cluster.add(life, name, place.address, { under: place.under });
    await node.join(await cluster.invite());
  }
  await cluster.isManagedBy(NAMES.length, 'a');
  await first.json('app', APP, 'scale', String(NAMES.length));
  await cluster.runsOn(APP, NAMES, WITHIN);
  await until(
    'a copy of each stripe beside each instance',
    async () => {
      const { stripeDetails } = await first.json<DatabaseDetail>('db', 'show', APP);
      return stripeDetails.every(({ copies }) => copies.length === NAMES.length);
    },
    WITHIN,
  );
  const together = await rates(cluster.nodes, shares, how);
  const { stripeDetails } = await first.json<DatabaseDetail>('db', 'show', APP);
  const leaders = stripeDetails.map(({ primary }) => primary).join(', ');
  console.log(
    `${how.share} % of a core for each node (${shares[0]?.kind}); primaries of the stripes: ${leaders}\n`,
  );
  console.log('| | one node, requests/s | three nodes, requests/s | ratio |\n|---|--:|--:|--:|');
  for (const scenario of Object.keys(SCENARIOS)) {
    const [one = 0, three = 0] = [alone.get(scenario), together.get(scenario)];
    console.log(
      `| ${scenario} | ${Math.round(one)} | ${Math.round(three)} | ${(three / one).toFixed(2)} |`,
    );
  }
}

/** The app of `npm run bench -- web`, with rows that a migration brings. */
async function writeApp(folder: string): Promise<void> {
  await cp(join(import.meta.dirname, 'web/app'), folder, { recursive: true });
  const time = '2026-01-01T00:00:00.000Z';
  const rows = Array.from({ length: ROWS }, (_, at) => {
    const body = `The body of post ${at + 1}, which says "what it says" in a sentence or two of text.`;
    return `('Post <${at + 1}> & more', '${body}', ${at % 2}, '${time}', '${time}')`;
  });
  const insert = `INSERT INTO posts (title, body, published, created_at, updated_at) VALUES\n${rows.join(',\n')};`;
  const path = join(folder, 'migrations/20260102000000_fill_posts.sql');
  await writeFile(path, `${insert}\n\n-- down\nDELETE FROM posts;\n`);
}

/** The most that these nodes answer in a second, by scenario: medians. */
async function rates(
  nodes: readonly TestNode[],
  shares: readonly CpuShare[],
  { share, rounds, seconds }: How,
): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const [scenario, path] of Object.entries(SCENARIOS)) {
    await until('it to be warm', () => load(nodes, path, WARM_S), WITHIN);
    for (const each of shares) each.limit(share);
    await until('it to keep up', () => load(nodes, path, 1), WITHIN);
    const all: number[] = [];
    for (let round = 0; round < rounds; round++) all.push(await load(nodes, path, seconds));
    for (const each of shares) each.limit(undefined);
    console.error(`${nodes.length} nodes, ${scenario}: ${all.map(Math.round).join(', ')}`);
    found.set(scenario, median(all));
  }
  return found;
}

/** Requests a second that were answered through all gateways at once. */
async function load(nodes: readonly TestNode[], path: string, seconds: number): Promise<number> {
  const each = nodes.map(async ({ address, ports }) => {
    const host = `Host: ${APP}.localhost:${ports.http}`;
    const url = `http://${address}:${ports.http}${path}`;
    const words = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--timeout', '10s', '-H', host, url];
    const { stdout } = await run('wrk', words);
    const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
    if (!(requests > 0) || /Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout);
    return requests / seconds;
  });
  return (await Promise.all(each)).reduce((sum, one) => sum + one, 0);
}
